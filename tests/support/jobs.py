"""Jobs as a SQL client sees them: plain psycopg, rows as dicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.support.servers import Database

STATUSES = ("pending", "processing", "completed", "failed", "cancelled", "retrying")
LEGAL = {
    ("pending", "processing"), ("pending", "cancelled"),
    ("processing", "completed"), ("processing", "failed"), ("processing", "retrying"), ("processing", "pending"),
    ("processing", "cancelled"),
    ("retrying", "pending"), ("retrying", "cancelled"),
}  # fmt: skip
TERMINAL = ("completed", "failed", "cancelled")
# The steps that bring a new job into each state.
WAYS = {
    "pending": (),
    "processing": ("processing",),
    "completed": ("processing", "completed"),
    "failed": ("processing", "failed"),
    "cancelled": ("cancelled",),
    "retrying": ("processing", "retrying"),
}


@dataclass(frozen=True)
class Client:
    """A session of a SQL client: `run` for statements, `one` and `value` for a row and its first column."""

    connection: psycopg.Connection[dict[str, Any]]
    notices: list[str]

    def run(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Execute and return all rows, or [] where there are none to return."""
        cursor = self.connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    def one(self, statement: str, *values: Any) -> dict[str, Any]:
        """The single row."""
        (row,) = self.run(statement, *values)
        return row

    def value(self, statement: str, *values: Any) -> Any:
        """The first column of the single row."""
        return next(iter(self.one(statement, *values).values()))

    def values(self, statement: str, *values: Any) -> list[Any]:
        """The first column of every row."""
        return [next(iter(row.values())) for row in self.run(statement, *values)]

    def pid(self) -> int:
        """The server process of this session."""
        return self.connection.info.backend_pid

    def user(self, email: str = "ada@example.com") -> UUID:
        """A user, added when there is none with this address."""
        self.run("insert into users (email) values (%s) on conflict do nothing", email)
        return self.value("select id from users where email = %s", email)

    def add(self, job_type: str = "other", metadata: Any = None, *, user: UUID | None = None, **named: Any) -> UUID:
        """`add_queue_job`; `named` gives further parameters without their `p_`."""
        parameters = {"p_user_id": user, "p_job_type": job_type, "p_metadata": Jsonb(metadata or {})}
        parameters |= {f"p_{name}": value for name, value in named.items()}
        listed = ", ".join(f"{name} => %s" for name in parameters)
        return self.value(f"select add_queue_job({listed})", *parameters.values())

    def claim(self, *job_types: str, batch: int = 5) -> list[dict[str, Any]]:
        """`claim_pending_jobs`, of `other` unless types are given."""
        return self.run("select * from claim_pending_jobs(%s, %s)", list(job_types or ("other",)), batch)

    def claimed(self, **named: Any) -> dict[str, Any]:
        """A job that was added and claimed."""
        job = self.add(**named)
        (row,) = [row for row in self.claim(named.get("job_type", "other"), batch=1000) if row["id"] == job]
        return row

    def job(self, job_id: UUID) -> dict[str, Any]:
        """The row."""
        return self.one("select * from queue_jobs where id = %s", job_id)

    def in_state(self, status: str, **named: Any) -> UUID:
        """A new job, brought into a state by plain updates."""
        job = self.add(**named)
        for step in WAYS[status]:
            self.run("update queue_jobs set status = %s where id = %s", step, job)
        return job

    def silent(self, job_id: UUID, minutes: float) -> None:
        """As if the run gave its last sign of life that long ago."""
        self.run(
            "update queue_jobs set heartbeat_at = clock_timestamp() - make_interval(secs => %s) where id = %s",
            minutes * 60, job_id,
        )  # fmt: skip

    def due_since(self, job_id: UUID, seconds: float) -> None:
        """As if the job had become due that long ago."""
        self.run(
            "update queue_jobs set scheduled_for = now() - make_interval(secs => %s) where id = %s", seconds, job_id
        )

    def history(self, job_id: UUID) -> list[tuple[Any, ...]]:
        """(from, to, attempt, worker, message) of each change of state, oldest first."""
        rows = self.run(
            'select "from", "to", attempt, worker, message from job_events where job_id = %s order by id', job_id
        )
        return [tuple(row.values()) for row in rows]

    def path(self, job_id: UUID) -> list[str | None]:
        """The states a job went through."""
        return [row[1] for row in self.history(job_id)]

    def setting(self, key: str, value: str) -> None:
        """Set a row of `queue_settings`."""
        self.run(
            "insert into queue_settings (key, value) values (%s, %s) on conflict (key) do update set value = excluded.value",
            key, value,
        )  # fmt: skip


@contextmanager
def sql_client(database: Database | str, *, autocommit: bool = True, name: str = "sql-client") -> Iterator[Client]:
    """A session on the database. Waits for a lock 10 s at most, so that a test never hangs on one."""
    url = database if isinstance(database, str) else database.url
    with psycopg.connect(
        url, autocommit=autocommit, row_factory=dict_row, application_name=name, options="-c lock_timeout=10s -c timezone=UTC"
    ) as connection:
        notices: list[str] = []
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        yield Client(connection, notices)


@contextmanager
def sql_clients(database: Database, count: int, *, autocommit: bool = False) -> Iterator[Sequence[Client]]:
    """Several sessions, each with a transaction of its own."""
    if count == 0:
        yield ()
        return
    with sql_client(database, autocommit=autocommit) as first, sql_clients(database, count - 1, autocommit=autocommit) as rest:
        yield (first, *rest)


def wait_until_blocked(observer: Client, pid: int) -> None:
    """Return when the session with this server process waits for a lock. Raises AssertionError after 5 s."""
    observer.value("select set_config('statement_timeout', '5s', false)")
    for _ in range(1000):
        if observer.value("select cardinality(pg_blocking_pids(%s)) > 0", pid):
            return
        observer.run("select pg_sleep(0.005)")
    raise AssertionError(f"session {pid} does not wait for a lock")
