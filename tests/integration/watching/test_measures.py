"""What Prometheus is told of jobs: every time in its bucket, once, whoever asks and however often it is folded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.db.meters import Meter
from app.queue import measures as m
from app.queue.upkeep import fold_counts
from tests.support.jobs import Client, sql_client, sql_clients
from tests.support.servers import Database


@pytest.fixture
def sql(database: Database):
    with sql_client(database) as client:
        yield client


def read(database: Database) -> m.Measures:
    with database.engine.begin() as conn:
        fold_counts(conn)
        return m.read_measures(conn)


def shown(measures: m.Measures, metric: str) -> dict[tuple[str, str], tuple[int, float]]:
    return {key: (times.count, round(times.seconds)) for key, times in measures.times[metric].items()}


def test_waiting_counts_from_when_a_job_was_due(database: Database, sql: Client) -> None:
    sql.add()
    late = sql.add()
    sql.run("update queue_jobs set scheduled_for = now() - interval '1 hour', created_at = created_at where id = %s", late)
    # Added an hour ago in truth: its birth cannot be moved by an update.
    sql.run("set session_replication_role = replica")
    sql.run("update queue_jobs set created_at = now() - interval '100 seconds' where id = %s", late)
    sql.run("set session_replication_role = origin")
    sql.claim()
    found = read(database)
    times = found.times["job_wait"]["other", ""]
    assert times.count == 2 and 100 <= times.seconds < 110
    place = sum(bound <= 100 for bound in found.bounds)
    assert times.counts[place] == 1 and sum(times.counts[:10]) == 1
    assert shown(found, "job_added") == {("other", ""): (2, 0)}


def test_a_run_counts_from_its_start_by_how_it_ended(database: Database, sql: Client) -> None:
    def running(**named) -> dict:
        row = sql.claimed(**named)
        sql.run("set session_replication_role = replica")
        sql.run("update queue_jobs set started_at = now() - interval '20 seconds' where id = %s", row["id"])
        sql.run("set session_replication_role = origin")
        return row

    sql.run("select complete_queue_job(%s)", running()["id"])
    sql.run("select fail_queue_job(%s, 'x', true)", running()["id"])
    sql.run("select fail_queue_job(%s, 'x', false)", running()["id"])
    sql.run("select cancel_queue_job(%s)", running()["id"])
    sql.run("select release_queue_job(%s, fencing_token, 'stopped') from queue_jobs where id = %s", *[running()["id"]] * 2)
    sql.silent(running()["id"], 60)
    sql.run("select reset_stalled_jobs()")
    outcomes = ("cancelled", "completed", "failed", "handed_back", "retrying", "stalled")
    assert shown(read(database), "job_run") == {("other", outcome): (1, 20) for outcome in outcomes}
    assert read(database).mean_run("other") == pytest.approx(20, abs=2)
    assert read(database).mean_run("send_sms") is None


def test_each_time_is_counted_once_however_it_is_folded(database: Database, sql: Client) -> None:
    with sql_clients(database, 1) as (slow,):
        slow.add()  # a transaction that is open while others commit and fold
        for _ in range(3):
            sql.run("select complete_queue_job(%s)", sql.claimed()["id"])
            read(database)
        slow.connection.commit()
    found = read(database)
    assert found.times["job_run"]["other", "completed"].count == 3
    assert found.times["job_added"]["other", ""].count == 4
    assert m.Measures(found.bounds, read(database).times) == found


def test_what_processes_saw_is_added_up(database: Database) -> None:
    meters = [Meter(database.engine, gather=3600), Meter(database.engine, gather=3600)]
    for meter in meters:
        for seconds in (0.004, 0.2, 5000.0):
            meter.see("adapter_call", "llm", "ok", seconds)
        meter.see("claim_refused", "other")
        meter.flush()
        meter.flush()
    found = read(database)
    llm = found.times["adapter_call"]["llm", "ok"]
    assert (llm.counts[0], llm.counts[-1], llm.count, round(llm.seconds, 3)) == (2, 2, 6, 10000.408)
    assert found.times["claim_refused"]["other", ""].count == 2


def test_what_could_not_be_written_is_kept(database: Database, sql: Client) -> None:
    meter = Meter(database.engine, gather=3600)
    meter.see("claim_refused", "other")
    sql.run("alter function record_metrics rename to gone")
    meter.flush()
    sql.run("alter function gone rename to record_metrics")
    meter.flush()
    assert read(database).times["claim_refused"]["other", ""].count == 1


def test_what_is_due_and_how_late_it_is(database: Database, sql: Client) -> None:
    user = sql.user()
    now = datetime.now(UTC) + timedelta(minutes=1)
    for job_type, seconds, times in (("other", 30, 3), ("send_sms", 10, 2), ("sync_calendar", -3600, 1), ("send_email", 50, 1)):
        for _ in range(times):
            sql.add(job_type, user=user, scheduled_for=now - timedelta(seconds=seconds), priority=times)
    sql.setting("paused.send_email", "true")
    with database.engine.begin() as conn:
        due = m.due_by_type(conn, now, {})
    assert {name: (found.jobs, round(found.lag)) for name, found in due.items() if found.jobs} == {"other": (3, 30), "send_sms": (2, 10)}
    assert "send_email" not in due and due["sync_calendar"] == m.Due(0, 0.0)


def test_very_many_are_reckoned_from_what_waits(database: Database, sql: Client) -> None:
    add = "select count(add_queue_job(null, 'other', '{}', 5, now() + make_interval(hours => %s))) from generate_series(1, %s)"
    sql.run(add, -1, m.REACH + 500)
    sql.run(add, 1, 20)
    with database.engine.begin() as conn:
        due = m.due_by_type(conn, datetime.now(UTC), {"other": m.REACH + 520})
    assert due["other"].jobs == m.REACH + 500


def test_the_load_of_a_queue() -> None:
    measures = m.Measures([1.0])
    measures.times["job_run"]["other", "completed"] = m.Times([1, 1], 6.0)
    measures.times["job_run"]["other", "stalled"] = m.Times([0, 1], 900.0)
    due = {"other": m.Due(10, 1.0), "sync_calendar": m.Due(2, 1.0), "send_sms": m.Due(1, 0.0), "of the future": m.Due(5, 0.0)}
    loads = m.load_by_queue(due, measures, [(["upkeep", "notify"], 4), (["upkeep"], 2)])
    assert loads["upkeep"] == m.QueueLoad(12, 10 * 3.0 + 2 * m.UNKNOWN_RUN, 6)
    assert loads["notify"] == m.QueueLoad(1, m.UNKNOWN_RUN, 4) and loads["briefs"] == m.QueueLoad(0, 0, 0)
