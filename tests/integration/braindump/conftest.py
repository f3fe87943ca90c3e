"""A user with some work, and brain dumps that are sorted by a model of the test's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from app.features.braindump.models import Event
from app.features.braindump.service import BrainDumpService
from app.queue import claims
from app.queue.adding import add_job
from app.queue.running import RunningJob
from tests.support.clock import FixedClock
from tests.support.models import Sorter
from tests.support.servers import Database

NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)  # a Sunday, 07:30 in Berlin


class World:
    """The database of one test, seen as one user's work."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clock = FixedClock(NOW)
        self.model = Sorter()
        self.user = self.add("users", email="ada@example.com", timezone="Europe/Berlin")
        self.stranger = self.add("users", email="bob@example.com")
        self.project = self.add("projects", name="Website")
        self.task = self.add("tasks", title="Publish the page", project_id=self.project)
        self.note = self.add("notes", title="Call with Anna", content="blue")

    def service(self, **options: Any) -> BrainDumpService:
        return BrainDumpService(self.engine, self.clock, options.pop("llm", self.model), **options)

    def add(self, table: str, **values: Any) -> UUID:
        """Insert a row and return its id. Rows belong to the user of this world unless said otherwise."""
        if table != "users":
            values.setdefault("user_id", self.user)
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self.engine.begin() as conn:
            return conn.execute(text(f"insert into {table} ({names}) values ({marks}) returning id"), values).scalar_one()

    def rows(self, query: str, **values: Any) -> list[tuple]:
        with self.engine.connect() as conn:
            return [tuple(row) for row in conn.execute(text(query), values)]

    def dump(self) -> Any:
        """The only brain dump."""
        with self.engine.connect() as conn:
            return conn.execute(text("select * from brain_dumps")).one()

    def begin(self, words: str = "Call Anna", *, service: BrainDumpService | None = None, **options: Any) -> Any:
        with self.engine.begin() as conn:
            return (service or self.service()).begin(
                conn, options.get("user", self.user), words, options.get("project"), options.get("auto_accept", False)
            )

    def stream(self, words: str = "Call Anna", *, service: BrainDumpService | None = None, **options: Any) -> list[Event]:
        """Every event of a brain dump, heartbeats left out."""
        service = service or self.service()
        return [event for event in service.stream(self.begin(words, service=service, **options)) if event.name]

    def job(self, words: str = "Call Anna", **metadata: Any) -> UUID:
        with self.engine.begin() as conn:
            return add_job(conn, "process_brain_dump", user_id=self.user, metadata={"text": words, **metadata}).id

    def claimed(self, job_id: UUID) -> RunningJob:
        """Claim a pending job as a worker does."""
        with self.engine.begin() as conn:
            self.held = claims.claim(conn, job_id, f"task-{job_id}", "test-worker")
        assert self.held is not None
        return RunningJob(self.engine, self.held)

    def again(self, job_id: UUID) -> RunningJob:
        """The next run of a job whose worker was lost."""
        with self.engine.begin() as conn:
            assert claims.release(conn, self.held, "worker lost")
        return self.claimed(job_id)


@pytest.fixture
def world(database: Database) -> World:
    return World(database.engine)
