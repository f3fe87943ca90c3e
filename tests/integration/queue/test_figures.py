"""Figures over time are summed up by the fold of the counts: exact counts, and lengths of time in buckets (docs/console.md)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.queue.figures import RANGES, figures, percentile
from tests.support.jobs import STATUSES, Client
from tests.support.servers import Database

FOLD = "select fold_queue_counts()"
COUNTS = "select measure, sum(count)::int as count from queue_figures where span = %s and measure not in ('wait', 'run') group by 1"
BOUNDS = [0.01, 0.1, 1.0]


def counts(sql: Client, span: int) -> dict[str, int]:
    return {row["measure"]: row["count"] for row in sql.run(COUNTS, span)}


@pytest.mark.parametrize("span", [60, 600, 3600])
def test_every_change_is_counted_once(sql: Client, span: int) -> None:
    for status in STATUSES:
        sql.in_state(status)
    sql.run(FOLD)
    sql.in_state("completed")
    for _ in range(2):
        sql.run(FOLD)
    assert counts(sql, span) == {"added": 7, "completed": 2, "failed": 1, "retrying": 1, "cancelled": 1}
    assert sql.value("select bool_and(at > now() - interval '2 hours' and at <= now()) from queue_figures where span = %s", span)


def test_a_fold_that_is_rolled_back_leaves_no_figure(sql: Client) -> None:
    sql.add()
    sql.run("begin")
    sql.run(FOLD)
    sql.run("rollback")
    sql.run(FOLD)
    assert counts(sql, 60) == {"added": 1}


def test_how_long_jobs_waited_and_ran(database: Database, sql: Client) -> None:
    for wait, run in ((0.2, 0.02), (0.2, 0.02), (0.2, 20.0)):
        job = sql.in_state("completed")
        sql.run("update job_events set began_at = at - make_interval(secs => %s) where job_id = %s and \"to\" = 'processing'", wait, job)
        sql.run("update job_events set began_at = at - make_interval(secs => %s) where job_id = %s and \"to\" = 'completed'", run, job)
    sql.run(FOLD)
    with database.engine.connect() as conn:
        found = [figure for figure in figures(conn, RANGES["hour"], sql.value("select clock_timestamp()")) if figure["waits"]]
    assert [figure["completed"] for figure in found] == [3]
    assert 0.1 < found[0]["waits"]["p50"] < found[0]["waits"]["p95"] <= 0.25
    assert 0.01 < found[0]["runs"]["p50"] <= 0.025 and 10 < found[0]["runs"]["p95"] <= 30


def test_spans_without_a_job_are_there_too(database: Database) -> None:
    now = datetime(2026, 11, 22, 7, 3, 20, tzinfo=UTC)
    with database.engine.connect() as conn:
        shown = {name: figures(conn, wanted, now) for name, wanted in RANGES.items()}
    assert {name: len(found) for name, found in shown.items()} == {"hour": 60, "day": 144, "week": 168}
    assert [shown[name][-1]["at"] for name in RANGES] == ["2026-11-22T07:03:00Z", "2026-11-22T07:00:00Z", "2026-11-22T07:00:00Z"]
    assert shown["hour"][0] == {"at": "2026-11-22T06:04:00Z", "added": 0, "completed": 0, "failed": 0, "retried": 0, "cancelled": 0, "waits": None, "runs": None}


def test_what_is_old_goes(sql: Client) -> None:
    for span, age in ((60, "4 hours"), (600, "4 hours"), (600, "3 days"), (3600, "3 days"), (3600, "32 days")):
        sql.run("insert into queue_figures values (%s, date_trunc('hour', now()) - %s::interval, 'other', 'failed', 0, 1)", span, age)
    sql.add()
    sql.run(FOLD)
    assert sql.value("select count(*) from queue_figures where measure = 'failed'") == 2


@pytest.mark.parametrize(
    ("histogram", "share", "seconds"),
    [([4, 0, 0, 0], 0.5, 0.005), ([0, 10, 0, 0], 0.5, 0.055), ([0, 10, 0, 0], 1.0, 0.1), ([19, 0, 1, 0], 0.95, 0.01), ([0, 0, 0, 3], 0.5, 1.0)],
    ids=["first", "half", "all", "up to the edge", "beyond"],
)
def test_a_percentile_lies_in_its_bucket(histogram: list[int], share: float, seconds: float) -> None:
    assert percentile(histogram, BOUNDS, share) == pytest.approx(seconds)


def test_ranges_have_whole_steps() -> None:
    assert all(wanted.length % wanted.step == timedelta(0) for wanted in RANGES.values())
