"""What happens to running jobs when something dies, stops, or is told to stop."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.support.processes import Workers, add, history, job, states, wait_all, wait_for, wait_status
from tests.support.servers import Database

SHORT_LEASE = {"QUEUE_STALLED_TIMEOUT": "2000", "QUEUE_SWEEP_INTERVAL": "300"}


def test_kill_9_of_a_worker_moves_its_job_and_the_dead_run_writes_nothing(
    database: Database, workers: Workers, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    first = workers.start("-c", "1", **SHORT_LEASE)
    victim = add(database, sleep=3, ledger=str(ledger), busy_db=True)[0]
    wait_status(database, victim, "processing")
    wait_for(lambda: ledger.exists() and ledger.read_text(), "the run has begun")
    first.signal_all(signal.SIGKILL)
    workers.start("-c", "1", **SHORT_LEASE)
    row = wait_status(database, victim)
    assert (row.status, row.attempts, row.fencing_token) == ("completed", 1, 2)
    assert history(database, victim).count(("processing", "completed")) == 1
    assert _effects(database) == 1


def test_a_frozen_worker_that_comes_back_changes_nothing(database: Database, workers: Workers, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    frozen = workers.start("-c", "1", **SHORT_LEASE)
    victim = add(database, sleep=1, ledger=str(ledger), busy_db=True)[0]
    wait_for(lambda: ledger.exists() and ledger.read_text(), "the run has begun")
    frozen.signal_all(signal.SIGSTOP)
    workers.start("-c", "1", **SHORT_LEASE)
    done = wait_status(database, victim)
    assert done.result["attempt"] == 2
    frozen.signal_all(signal.SIGCONT)
    wait_for(
        lambda: "no longer ours" in frozen.log.read_text() or "IGNORED" in frozen.log.read_text() or _idle(frozen),
        "it ends",
    )
    # Its next job proves that the worker is through with the old one.
    frozen_next = add(database, 4, result={"after": True})
    for job_id in frozen_next:
        wait_status(database, job_id)
    assert job(database, victim) == done
    assert _effects(database) == 1


def test_sigterm_drains(database: Database, workers: Workers, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    worker = workers.start("-c", "2")
    jobs = add(database, 8, sleep=4, ledger=str(ledger))
    wait_for(lambda: ledger.exists() and len(ledger.read_text().splitlines()) == 2, "two jobs run")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    left = states(database)
    assert left.get("completed") == 2 and left.get("pending") == 6, left
    assert all(job(database, job_id).attempts == 0 for job_id in jobs)
    workers.start("-c", "8")
    wait_all(database)


def test_sigquit_hands_running_jobs_back_uncharged(database: Database, workers: Workers, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    worker = workers.start("-c", "2", QUEUE_DRAIN_TIMEOUT="0.3")
    jobs = add(database, 2, sleep=5, ledger=str(ledger))
    wait_for(lambda: ledger.exists() and len(ledger.read_text().splitlines()) == 2, "two jobs run")
    waiting = add(database, 4, sleep=0.1)
    worker.signal(signal.SIGQUIT)
    worker.wait()
    for job_id in jobs + waiting:
        row = job(database, job_id)
        assert (row.status, row.attempts, row.started_at) == ("pending", 0, None), history(database, job_id)
    with database.engine.begin() as conn:
        assert conn.execute(text("select count(*) from queue_processes")).scalar_one() == 0  # it said goodbye
    workers.start("-c", "2")
    wait_all(database)


@pytest.mark.parametrize("checkpoints", [True, False], ids=["at a checkpoint", "by force"])
def test_a_cancelled_run_stops_and_its_result_is_discarded(
    database: Database, workers: Workers, checkpoints: bool
) -> None:
    workers.start("-c", "1", QUEUE_CANCEL_GRACE="0.5" if not checkpoints else "30")
    running = add(database, sleep=300, checkpoints=checkpoints)[0]
    wait_status(database, running, "processing")
    with database.engine.begin() as conn:
        assert conn.execute(text("select cancel_queue_job(:id)"), {"id": running}).scalar_one()
    assert job(database, running).status == "cancelled"
    # The only slot is free again: another job gets through.
    assert wait_status(database, add(database)[0]).status == "completed"
    row = job(database, running)
    assert (row.status, row.result) == ("cancelled", None)
    assert history(database, running) == [(None, "pending"), ("pending", "processing"), ("processing", "cancelled")]


def test_a_cancelled_pending_job_never_runs(database: Database, workers: Workers, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    workers.start("-c", "1")
    add(database, sleep=1.5)
    waiting = add(database, ledger=str(ledger))[0]
    with database.engine.begin() as conn:
        conn.execute(text("select cancel_queue_job(:id)"), {"id": waiting})
    wait_status(database, add(database)[0])
    assert not ledger.exists()
    assert history(database, waiting) == [(None, "pending"), ("pending", "cancelled")]


def test_several_workers_share_the_work_without_overlap(database: Database, workers: Workers) -> None:
    for _ in range(3):
        workers.start("-c", "2")
    add(database, 600, sleep=0.005)
    wait_all(database)
    with database.engine.connect() as conn:
        claims = conn.execute(text("select count(*) from job_events where \"to\" = 'processing'")).scalar_one()
        helpers = conn.execute(
            text("select count(distinct worker) from job_events where worker is not null")
        ).scalar_one()
    assert claims == 600
    assert helpers == 3


@pytest.mark.parametrize(("stubborn", "words"), [(False, "took longer than 1 s"), (True, "took longer than 2 s and was ended")])
def test_a_hung_job_is_ended_by_its_time_limit_and_the_worker_lives_on(
    database: Database, workers: Workers, stubborn: bool, words: str
) -> None:
    workers.start("-c", "2", JOB_MODULES="tests.support.hung")
    first, second = add(database, stubborn=stubborn)[0], add(database, stubborn=stubborn)[0]
    for row in (wait_status(database, job_id, "failed", patience=90) for job_id in (first, second)):
        assert (row.attempts, row.error_message) == (3, words)


def _effects(database: Database) -> int:
    with database.engine.connect() as conn:
        return conn.execute(text("select count(*) from activity_log where activity = 'drill'")).scalar_one()


def _idle(process: object) -> bool:
    time.sleep(2)
    return True
