"""A deploy while jobs run: workers of the previous release and of this one, before, during and after the migration (docs/upgrading.md).

The previous release's worker code is `tests/data/previous_release.tar.xz`; `scripts/keep-release` renews it.
"""

from __future__ import annotations

import os
import signal
import tarfile
import threading
from collections import Counter
from pathlib import Path

import pytest

from app.embedded.postgres import PostgresServer
from tests.support import servers
from tests.support.jobs import Client, sql_client
from tests.support.processes import Process, add, wait_all, wait_for, workers_on

KEPT = servers.ROOT / "tests" / "data" / "previous_release.tar.xz"
ITS_SCHEMA = "0015_sms_following"
FAST = {"RETRY_BACKOFF_BASE": "0.05", "QUEUE_POLL_INTERVAL": "500", "QUEUE_HEARTBEAT_INTERVAL": "300", "QUEUE_CROWD": "5"}


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The checkout of the previous release, as far as a worker needs it."""
    with tarfile.open(KEPT) as kept:
        kept.extractall(tmp_path / "previous", filter="data")
    return tmp_path / "previous"


def old_worker(checkout: Path, env: dict[str, str], folder: Path) -> Process:
    return Process(
        ["-m", "celery", "-A", "tasks", "worker", "-l", "INFO", "-c", "2", "-n", "old@test"],
        {**env, "PYTHONPATH": str(checkout)}, folder / "old.log", cwd=checkout,
    )  # fmt: skip


def ran_by(sql: Client) -> Counter[str]:
    """How many runs ended well on each worker, by its first name."""
    names = sql.values("select split_part(worker, '@', 1) from job_events where \"to\" = 'completed'")
    return Counter(names)


def test_jobs_run_once_through_a_whole_deploy(
    postgres_server: PostgresServer, redis_url: str, previous: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    with servers.new_database(postgres_server) as database, sql_client(database) as sql:
        servers.alembic(database.url, "upgrade", ITS_SCHEMA)
        env = {
            **os.environ, **FAST, "DATABASE_URL": database.url, "REDIS_URL": redis_url, "PYTHONPATH": str(servers.ROOT),
            "JOB_MODULES": "tests.support.drill", "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        with workers_on(database, env, tmp_path) as workers:
            old = old_worker(previous, env, tmp_path)
            try:
                add(database, 20, ledger=str(ledger), sleep=0.05)
                new = workers.start("-c", "2", ready=False)
                wait_for(lambda: "waiting for `buildos migrate`" in new.log.read_text(), "the new worker waits for its schema")
                wait_all(database)
                assert set(ran_by(sql)) == {"old"}

                # The migration runs beside jobs, retries and a failure, all on the old worker; then the new one begins by itself.
                add(database, 30, ledger=str(ledger), sleep=0.05)
                (retried,) = add(database, fail="once", until=1, ledger=str(ledger))
                migration = threading.Thread(target=servers.alembic, args=(database.url, "upgrade", "head"))
                migration.start()
                migration.join()
                wait_for(lambda: add(database, 4, ledger=str(ledger), sleep=0.1) and ran_by(sql)["w0"], "the new worker runs jobs")
                old_runs = ran_by(sql)["old"]
                wait_for(
                    lambda: add(database, 4, ledger=str(ledger), sleep=0.1) and ran_by(sql)["old"] > old_runs,
                    "the old worker runs jobs on the new schema",
                )

                # The old worker drains in the midst of its jobs.
                add(database, 20, ledger=str(ledger), sleep=0.1)
                old.signal(signal.SIGTERM)
                assert old.wait() == 0
                wait_all(database)

                # What a release after this one has queued is left to its workers, uncharged.
                (newer,) = add(database, metadataVersion=7, ledger=str(ledger))
                wait_for(lambda: sql.path(newer)[1:] == ["processing", "pending"], "it is put off")
            finally:
                old.end()
                print(old.log.read_text(errors="replace")[-4000:])
        row = sql.job(newer)
        assert (row["attempts"], row["error_message"]) == (0, None) and row["scheduled_for"] > row["created_at"]
        assert "version 7, this worker's release knows 1" in sql.history(newer)[-1][-1]
        assert sql.job(retried)["attempts"] == 1
        runs = Counter(line.split()[0] for line in ledger.read_text().splitlines())
        assert {one: count for one, count in runs.items() if count > 1} == {str(retried): 2}
