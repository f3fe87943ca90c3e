"""reset_stalled_jobs: only the dead are reset, each is charged, the last attempt ends (CONTRACT 2 and 3)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.queue import upkeep
from tests.support.jobs import Client, sql_client, sql_clients
from tests.support.servers import Database


def test_a_silent_job_goes_back_charged_with_an_attempt(sql: Client) -> None:
    held = sql.claimed(metadata={"a": 1})
    sql.silent(held["id"], 16)
    assert sql.value("select reset_stalled_jobs()") == 1
    job = sql.job(held["id"])
    assert (job["status"], job["attempts"], job["started_at"], job["error_message"]) == ("pending", 1, None, "stalled")
    assert (job["dispatched_at"], job["dispatched_by"], job["metadata"]) == (None, None, {"a": 1})
    assert sql.history(job["id"])[-1] == ("processing", "pending", 1, "sql:sql-client", "stalled")
    assert [row["id"] for row in sql.claim()] == [job["id"]]
    assert sql.history(job["id"])[-1] == ("pending", "processing", 2, "sql:sql-client", None)


def test_the_last_attempt_ends_failed(sql: Client) -> None:
    job = sql.add()
    for _ in range(3):
        assert len(sql.claim()) == 1
        sql.silent(job, 16)
        assert sql.value("select reset_stalled_jobs()") == 1
    row = sql.job(job)
    assert (row["status"], row["attempts"], row["error_message"]) == ("failed", 3, "stalled")
    assert row["processed_at"] is not None and row["completed_at"] is None
    assert sql.history(job)[-1] == ("processing", "failed", 3, "sql:sql-client", "stalled")
    assert sql.claim() == []


def test_failures_and_stalls_are_counted_together(sql: Client) -> None:
    held = sql.claimed()
    sql.run("select fail_queue_job(%s, 'x', true)", held["id"])
    sql.due_since(held["id"], 0)
    for _ in range(2):
        sql.claim()
        sql.silent(held["id"], 16)
        sql.run("select reset_stalled_jobs()")
    assert (sql.job(held["id"])["status"], sql.job(held["id"])["attempts"]) == ("failed", 3)


def test_a_long_job_whose_worker_is_alive_is_never_reset(sql: Client) -> None:
    held = sql.claimed()
    sql.run("update queue_jobs set started_at = now() - interval '3 days'")
    sql.run("select heartbeat_queue_job(%s, %s)", held["id"], held["fencing_token"])
    assert sql.value("select reset_stalled_jobs('1 minute'::interval)") == 0


def test_without_any_heartbeat_the_start_counts(sql: Client) -> None:
    held = sql.claimed()
    sql.run("update queue_jobs set heartbeat_at = null, started_at = now() - interval '14 minutes' where id = %s", held["id"])
    assert sql.value("select reset_stalled_jobs()") == 0
    sql.run("update queue_jobs set started_at = now() - interval '16 minutes' where id = %s", held["id"])
    assert sql.value("select reset_stalled_jobs()") == 1


@pytest.mark.parametrize("call", [
    "select reset_stalled_jobs('5 minutes')", "select reset_stalled_jobs('5 minutes'::text)",
    "select reset_stalled_jobs(p_stall_timeout => '5 minutes'::interval)", "select reset_stalled_jobs('300000 ms')",
    "select reset_stalled_jobs(interval '300 seconds')",
])  # fmt: skip
def test_interval_and_text_forms(sql: Client, call: str) -> None:
    old, young = sql.claimed()["id"], sql.claimed()["id"]
    sql.silent(old, 6)
    sql.silent(young, 4)
    assert sql.value(call) == 1
    assert [sql.job(job)["status"] for job in (old, young)] == ["pending", "processing"]


@pytest.mark.parametrize("status", ["pending", "completed", "failed", "cancelled", "retrying"])
def test_only_processing_jobs(sql: Client, status: str) -> None:
    job = sql.in_state(status)
    before = sql.job(job)
    assert sql.value("select reset_stalled_jobs('-1 hour'::interval)") == 0
    assert sql.job(job) == before


def test_a_sweep_waits_for_nobody(database: Database, sql: Client) -> None:
    held, dead = sql.claimed(), sql.claimed()
    for job in (held, dead):
        sql.silent(job["id"], 16)
    with sql_clients(database, 2) as (writer, sweeper):
        writer.run("select complete_queue_job(%s, '{}', %s)", held["id"], held["fencing_token"])
        assert sweeper.value("select reset_stalled_jobs()") == 1
        writer.connection.commit()
        sweeper.connection.commit()
    assert (sql.job(held["id"])["status"], sql.job(dead["id"])["status"]) == ("completed", "pending")


def test_many_sweeps_at_once_reset_each_job_once(database: Database, sql: Client) -> None:
    sql.run("select count(add_queue_job(null, 'other', '{}')) from generate_series(1, 100)")
    sql.claim(batch=100)
    sql.run("update queue_jobs set heartbeat_at = now() - interval '1 hour'")

    def sweep(_: int) -> int:
        with sql_client(database) as mine:
            return mine.value("select reset_stalled_jobs()")

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(sweep, range(6))) == 100
    assert sql.values("select distinct attempts from queue_jobs") == [1]


def test_the_sweep_of_the_workers_passes_its_own_timeout(database: Database, sql: Client) -> None:
    first = sql.claimed()
    sql.silent(first["id"], 6)
    with database.engine.begin() as conn:
        assert upkeep.take_back_stalled(conn, 400_000) == []
        ((lost, status),) = upkeep.take_back_stalled(conn, 300_000)
    assert (lost.id, lost.token, lost.attempt, status) == (first["id"], first["fencing_token"], 1, "pending")
