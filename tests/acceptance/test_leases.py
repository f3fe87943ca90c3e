"""Several jobs in one message: each keeps its own state, failure and history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.support.people import add_user
from tests.support.processes import Workers, history, job, wait_all, wait_for, wait_status
from tests.support.servers import Database

SHORT = {"JOB_MODULES": "tests.support.short"}
DONE = [(None, "pending"), ("pending", "processing"), ("processing", "completed")]


def notify(database: Database, user: UUID, times: int = 1, **payload: Any) -> list[UUID]:
    metadata = {"channel": "in-app", "eventType": "system.announcement", "payload": {"title": "drill", **payload}}
    with database.engine.begin() as conn:
        return list(
            conn.execute(
                text("select add_queue_job(:u, 'send_notification', cast(:m as jsonb), 5) from generate_series(1, :n)"),
                {"u": user, "m": json.dumps(metadata), "n": times},
            ).scalars()
        )


@pytest.fixture
def user(database: Database) -> UUID:
    return add_user(database.engine)


def _warm(database: Database, user: UUID) -> None:
    """Until the worker knows that jobs of this type are short."""
    for _ in range(20):
        notify(database, user, 60)
        wait_all(database)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_many_short_jobs_share_messages_and_each_ends_once(
    database: Database, workers: Workers, user: UUID, pool: str
) -> None:
    worker = workers.start("-P", pool, "-c", "2", **SHORT)
    _warm(database, user)
    jobs = notify(database, user, 3000)
    wait_all(database)
    received = worker.log.read_text().count("Task send_notification[")
    with database.engine.connect() as conn:
        odd = conn.execute(
            text(
                "select count(*) from queue_jobs where attempts <> 0 or error_message is not null "
                "or result ->> 'deliveryId' <> id::text or not started_at <= completed_at"
            )
        ).scalar_one()
        twice = conn.execute(
            text(
                "select count(*) from (select job_id from job_events where \"to\" = 'completed' "
                "group by job_id having count(*) <> 1) odd"
            )
        ).scalar_one()
    assert (odd, twice) == (0, 0)
    assert history(database, jobs[-1])[-1] == DONE[-1]
    assert received < 4200, "3000 jobs after 1200 took as many messages as jobs"


def test_a_failure_in_a_lease_is_its_own_jobs(database: Database, workers: Workers, user: UUID) -> None:
    workers.start("-c", "1", **SHORT)
    _warm(database, user)
    before = notify(database, user, 200)
    refused, failed = notify(database, user, refuse="no such device")[0], notify(database, user, fail="boom")[0]
    after = notify(database, user, 200)
    rows = [wait_status(database, job_id, "failed") for job_id in (refused, failed)]
    assert [(row.error_message, row.attempts) for row in rows] == [("no such device", 1), ("RuntimeError: boom", 3)]
    assert all(wait_status(database, job_id).status == "completed" for job_id in (*before, *after))


def test_a_job_that_kills_its_process_costs_its_neighbours_nothing(
    database: Database, workers: Workers, user: UUID, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    workers.start("-c", "1", **SHORT)
    _warm(database, user)
    before = notify(database, user, 150, ledger=str(ledger))
    poison = notify(database, user, kill=True)[0]
    after = notify(database, user, 150, ledger=str(ledger))
    assert wait_status(database, poison).status == "failed"
    neighbours = [wait_status(database, job_id) for job_id in (*before, *after)]
    assert {(row.status, row.attempts) for row in neighbours} == {("completed", 0)}
    effects = [line.split()[0] for line in ledger.read_text().splitlines()]
    assert sorted(effects) == sorted(str(job_id) for job_id in (*before, *after)), "an effect happened twice"


def test_a_lease_that_takes_long_hands_the_rest_back(database: Database, workers: Workers, user: UUID) -> None:
    workers.start("-c", "1", **SHORT)
    _warm(database, user)
    slow = notify(database, user, 6, sleep=0.6)
    wait_for(lambda: all(job(database, job_id).status == "completed" for job_id in slow), "all end")
    with database.engine.connect() as conn:
        back = conn.execute(text("select count(*) from job_events where message like '%its lease took too long%'")).scalar_one()
    assert back >= 1
    assert {job(database, job_id).attempts for job_id in slow} == {0}


def test_long_jobs_of_a_type_that_was_short_do_not_wait_for_one_worker(
    database: Database, workers: Workers, user: UUID
) -> None:
    workers.start("-c", "1", **SHORT)
    _warm(database, user)
    slow = notify(database, user, 12, sleep=8)
    wait_for(lambda: job(database, slow[0]).status == "processing", "the first begins")
    workers.start("-c", "11", **SHORT)
    rows = [wait_status(database, job_id, patience=100) for job_id in slow]
    assert {(row.status, row.attempts) for row in rows} == {("completed", 0)}
    with database.engine.connect() as conn:
        assert conn.execute(text("select count(distinct worker) from queue_jobs where id = any(:i)"), {"i": slow}).scalar_one() == 2
