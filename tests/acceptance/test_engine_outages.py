"""What happens to jobs while Redis or Postgres is away, or forgets."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import text

from app.embedded.redis import RedisServer
from tests.support.processes import Workers, add, job, states, wait_all, wait_for, wait_status
from tests.support.servers import Database


def test_a_wiped_redis_loses_nothing(database: Database, workers: Workers, redis_url: str) -> None:
    workers.start("-c", "2")
    add(database, 300, sleep=0.02)
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(5):
            time.sleep(0.4)
            client.flushdb()
    wait_all(database)
    with database.engine.connect() as conn:
        assert conn.execute(text("select max(attempts) from queue_jobs")).scalar_one() == 0
        ended = conn.execute(text("select count(*) from job_events where \"to\" = 'completed'")).scalar_one()
    assert ended == 300


@pytest.mark.parametrize("transport", ["batched", "stock"])
def test_redis_away_for_a_moment_costs_no_attempt(
    database: Database, workers: Workers, tmp_path: Path, transport: str
) -> None:
    server = RedisServer()
    server.start(tmp_path / "redis.log")
    try:
        workers.start("-c", "2", REDIS_URL=server.url, QUEUE_TRANSPORT=transport)
        add(database, 40, sleep=0.1)
        wait_for(lambda: states(database).get("completed", 0) >= 5, "work goes on")
        server.process.kill()
        server.process.wait()
        add(database, 10)
        time.sleep(2)
        server.start(tmp_path / "redis.log")
        wait_all(database)
        with database.engine.connect() as conn:
            assert conn.execute(text("select max(attempts) from queue_jobs")).scalar_one() == 0
    finally:
        workers.end()
        server.stop()


def test_a_message_lost_singly_is_sent_again(database: Database, workers: Workers, redis_url: str) -> None:
    workers.start("-c", "1", QUEUE_POLL_INTERVAL="300")
    add(database, sleep=2)
    add(database, 40, result={})
    with redis.Redis.from_url(redis_url) as client:
        wait_for(
            lambda: client.delete("upkeep") or states(database).get("completed", 0) > 0, "messages were there to lose"
        )
    wait_all(database)


def test_the_database_away_for_a_moment_costs_no_job(database: Database, workers: Workers) -> None:
    workers.start("-c", "2")
    jobs = add(database, 40, sleep=0.2)
    wait_for(lambda: states(database).get("completed", 0) >= 2, "work goes on")
    for _ in range(3):
        with database.engine.begin() as conn:
            conn.execute(
                text(
                    "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()"
                )
            )
        time.sleep(0.5)
    wait_all(database)
    assert all(job(database, job_id).attempts == 0 for job_id in jobs)


def test_an_outcome_that_meets_an_absent_database_is_written_when_it_is_back_and_nothing_runs_twice(
    database: Database, workers: Workers, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    worker = workers.start("-c", "1")
    running = add(database, sleep=2, ledger=str(ledger), result={"n": 1})[0]
    wait_for(lambda: ledger.exists() and ledger.read_text(), "the run has begun")
    server, name = database.url.rsplit("/", 1)
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        # Nobody gets in, and who is in is thrown out, until after the run has ended.
        admin.execute(f"alter database {name} allow_connections false")
        for _ in range(40):
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
            time.sleep(0.1)
        admin.execute(f"alter database {name} allow_connections true")
    row = wait_status(database, running)
    assert (row.status, row.result, row.attempts, row.fencing_token) == ("completed", {"n": 1}, 0, 1)
    assert "the database is away, trying again" in worker.log.read_text()
    assert len(ledger.read_text().splitlines()) == 1
