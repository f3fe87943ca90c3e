"""Alerts: what raises one, what does not, and how often it is told."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from app.queue import processes
from app.queue.alerts import Alert, current_alerts, first_in_cool_down
from app.settings import Settings
from tasks.dispatcher.watch import Watch
from tests.support.processes import add
from tests.support.servers import Database


def run(conn: Connection, failed: int, completed: int) -> None:
    """So many runs of `other` jobs, each ended."""
    for _ in range(failed + completed):
        conn.execute(text("select add_queue_job(null, 'other', '{}')"))
    claimed = (
        conn.execute(text("select id from claim_pending_jobs('{other}', :n)"), {"n": failed + completed})
        .scalars()
        .all()
    )
    for number, job_id in enumerate(claimed):
        end_job(conn, job_id, "no such address" if number < failed else None)


def end_job(conn: Connection, job_id: UUID, error: str | None) -> None:
    if error is None:
        conn.execute(text("select complete_queue_job(:id)"), {"id": job_id})
    else:
        conn.execute(text("select fail_queue_job(:id, :error)"), {"id": job_id, "error": error})


def names(conn: Connection, settings: Settings, **options: object) -> set[str]:
    return {alert.name for alert in current_alerts(conn, settings, **options)}


@pytest.mark.parametrize(
    ("failed", "completed", "raised"), [(4, 0, False), (5, 0, True), (5, 4, True), (5, 5, False), (6, 20, False)]
)
def test_repeated_failures_of_one_type(
    database: Database, settings: Settings, failed: int, completed: int, raised: bool
) -> None:
    with database.engine.begin() as conn:
        run(conn, failed, completed)
        found = [alert for alert in current_alerts(conn, settings) if alert.name.startswith("failing")]
        assert bool(found) is raised
        if raised:
            assert (
                found[0].name == "failing:other" and found[0].value == failed and "no such address" in found[0].message
            )


def test_failures_are_forgotten_after_the_window(database: Database, settings: Settings) -> None:
    with database.engine.begin() as conn:
        run(conn, 9, 0)
        later = datetime.now(UTC) + timedelta(minutes=settings.alert_failure_minutes + 1)
        assert "failing:other" in names(conn, settings)
        assert "failing:other" not in names(conn, settings, now=later)


def test_stalls_and_retries_count_as_failures(database: Database, settings: Settings) -> None:
    with database.engine.begin() as conn:
        for _ in range(5):
            conn.execute(text("select add_queue_job(null, 'other', '{}')"))
        conn.execute(text("select claim_pending_jobs('{other}', 5)"))
        conn.execute(text("select reset_stalled_jobs('0 seconds')"))
        assert "failing:other" in names(conn, settings)


def test_the_oldest_due_job(database: Database, settings: Settings) -> None:
    add(database)
    soon, late = (datetime.now(UTC) + timedelta(seconds=settings.alert_pending_age + extra) for extra in (-60, 60))
    with database.engine.begin() as conn:
        assert "pending_age" not in names(conn, settings, now=soon)
        assert "pending_age" in names(conn, settings, now=late)
        conn.execute(text("insert into queue_settings (key, value) values ('paused.other', 'true')"))
        assert "pending_age" not in names(conn, settings, now=late), "what is paused waits on purpose"


def test_nobody_is_there(database: Database, settings: Settings) -> None:
    with database.engine.begin() as conn:
        assert names(conn, settings, broker_there=False) == {"no_worker", "no_beat", "broker_away"}
        processes.report(conn, "w", "worker")
        assert names(conn, settings) == {"no_beat"}
        processes.report(conn, "b", "beat")
        assert names(conn, settings) == set()
        later = datetime.now(UTC) + timedelta(seconds=settings.process_dead_after + 1)
        assert names(conn, settings, now=later) == {"no_worker", "no_beat"}


def test_one_is_told_within_the_cool_down(database: Database) -> None:
    alert, other = Alert("no_beat", "…", 1), Alert("no_worker", "…", 1)
    for expected in (True, False):
        with database.engine.begin() as conn:
            assert first_in_cool_down(conn, alert, 15) is expected
    with database.engine.begin() as conn:
        assert first_in_cool_down(conn, other, 15)
        conn.execute(
            text("update queue_settings set updated_at = now() - interval '16 minutes' where key = 'alerted.no_beat'")
        )
    with database.engine.begin() as conn:
        assert first_in_cool_down(conn, alert, 15)


def test_of_many_workers_one_logs_it(database: Database, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    watches = [Watch(database.engine, settings, every=0, grace=0) for _ in range(3)]
    with caplog.at_level(logging.ERROR, logger="buildos.alerts"):
        told = [name for watch in watches for name in watch.look()]
    assert sorted(told) == ["no_beat", "no_worker"]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["alert no_worker", "alert no_beat"]


def test_a_broker_that_is_away_is_told(database: Database, settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    assert "broker_away" in Watch(database.engine, away, every=0, grace=0).look()
