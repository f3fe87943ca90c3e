"""Real processes of ours, started for a test and surely ended after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tests.support.servers import ROOT, Database

PATIENCE = 40.0  # seconds until a test that waits gives up; no test is decided by how fast something is


def wait_for(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The first truthy value of `condition`. Raises AssertionError saying `what` did not happen."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {patience:.0f} s")


class Process:
    """A process of ours in a session of its own, so that signals reach just whom they should."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path, cwd: Path = ROOT):
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=cwd,
                env=env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def signal(self, number: int) -> None:
        """Signal the main process alone."""
        os.kill(self.pid, number)

    def signal_all(self, number: int) -> None:
        """Signal the main process and its children."""
        os.killpg(self.pid, number)

    def wait(self, patience: float = PATIENCE) -> int:
        """Wait for the end and return the exit code."""
        return self._popen.wait(patience)

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def end(self) -> None:
        """End it and its children, whatever they are doing."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._popen.wait(PATIENCE)


class Workers:
    """Starts workers and beats on a test's servers, and ends them all."""

    def __init__(self, database: Database, env: dict[str, str], folder: Path):
        self._database = database
        self._env = {**env, "JOB_MODULES": "tests.support.drill", "LOG_LEVEL": "INFO", "PYTHONWARNINGS": "ignore"}
        self._folder = folder
        self._started: list[Process] = []

    def start(self, *options: str, ready: bool = True, typed: bool = False, **env: str) -> Process:
        """A worker with Celery's `options` (default `-c 2`) and further settings; waits until it is known as alive.

        `typed`: started by the command that people type, which takes longer than what `buildos up` starts.
        """
        before = self._alive()
        number = len(self._started)
        process = Process(
            # Looking for other workers takes a second, and nothing here rests on it.
            ["-m", *(("celery", "-A", "tasks") if typed else ("app.embedded.celery",)), "worker", "-l", "INFO", "--without-mingle",
             "--without-gossip", "-n", f"w{number}@test", *(options or ("-c", "2"))],
            {**self._env, **env},
            self._folder / f"worker{number}.log",
        )
        self._started.append(process)
        if ready:
            try:
                wait_for(lambda: self._alive() - before, "the worker reports itself")
            except AssertionError:
                raise AssertionError(process.log.read_text()[-3000:]) from None
        return process

    def run(self, *arguments: str, **env: str) -> Process:
        """Any other process of ours: `run("-m", "celery", "-A", "tasks", "beat")`."""
        process = Process(list(arguments), {**self._env, **env}, self._folder / f"process{len(self._started)}.log")
        self._started.append(process)
        return process

    def _alive(self) -> set[str]:
        with self._database.engine.connect() as conn:
            return set(conn.execute(text("select name from queue_processes where kind = 'worker'")).scalars())

    def end(self) -> None:
        """End them all. What they logged last is shown with a test that failed."""
        for process in self._started:
            process.end()
            print(f"--- {process.log.name}\n{process.log.read_text(errors='replace')[-6000:]}")
        self._started.clear()


@contextmanager
def workers_on(database: Database, env: dict[str, str], folder: Path) -> Iterator[Workers]:
    """Workers for a test."""
    workers = Workers(database, env, folder)
    try:
        yield workers
    finally:
        workers.end()


def add(database: Database, times: int = 1, *, priority: int = 10, **order: Any) -> list[UUID]:
    """Add `times` drill jobs in one SQL statement, as a SQL client would."""
    import json

    with database.engine.begin() as conn:
        return list(
            conn.execute(
                text(
                    "select add_queue_job(null, 'other', cast(:order as jsonb), :priority) from generate_series(1, :times)"
                ),
                {"order": json.dumps(order), "priority": priority, "times": times},
            ).scalars()
        )


def job(database: Database, job_id: UUID) -> Any:
    """The row of a job."""
    with database.engine.connect() as conn:
        return conn.execute(text("select * from queue_jobs where id = :id"), {"id": job_id}).one()


def history(database: Database, job_id: UUID) -> list[tuple[str | None, str | None]]:
    """The (from, to) of a job's changes, oldest first."""
    with database.engine.connect() as conn:
        rows = conn.execute(text('select "from", "to" from job_events where job_id = :id order by id'), {"id": job_id})
        return [tuple(row) for row in rows]


def states(database: Database) -> dict[str, int]:
    """How many jobs there are in each state."""
    with database.engine.connect() as conn:
        return dict(conn.execute(text("select status::text, count(*) from queue_jobs group by 1")).all())


def wait_status(database: Database, job_id: UUID, *statuses: str, patience: float = PATIENCE) -> Any:
    """Wait until a job has one of `statuses`; returns its row."""
    wanted = statuses or ("completed", "failed", "cancelled")
    try:
        wait_for(lambda: job(database, job_id).status in wanted, "", patience)
    except AssertionError:
        row = job(database, job_id)
        raise AssertionError(
            f"job is {row.status} ({row.error_message}), not {wanted}; {history(database, job_id)}"
        ) from None
    return job(database, job_id)


def wait_all(database: Database, status: str = "completed", patience: float = PATIENCE) -> None:
    """Wait until every job has `status`."""

    def others() -> bool:
        with database.engine.connect() as conn:
            return (
                conn.execute(text("select count(*) from queue_jobs where status <> :s"), {"s": status}).scalar_one()
                == 0
            )

    try:
        wait_for(others, "", patience)
    except AssertionError:
        with database.engine.connect() as conn:
            rows = conn.execute(text("select * from queue_jobs where status <> :s order by id"), {"s": status}).all()
        raise AssertionError(
            f"{len(rows)} jobs are not {status} after {patience:.0f} s, first {rows[0] if rows else None}"
        ) from None
