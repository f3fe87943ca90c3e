"""Upkeep on a database of its own: jobs that are really added, ended and claimed, and a clock that is set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.features.upkeep import UpkeepService
from app.queue import claims
from app.queue.running import RunningJob
from app.settings import Settings
from tests.support.clock import FixedClock
from tests.support.jobs import Client, sql_client
from tests.support.servers import Database


@dataclass
class World:
    """The service, and `sql` as any client sees the same database."""

    database: Database
    sql: Client
    settings: Settings

    def __post_init__(self) -> None:
        self.clock = FixedClock(datetime.now(UTC))
        self.service = UpkeepService(self.database.engine, self.clock, self.settings)

    def run(self, job_type: str, **metadata: Any) -> Any:
        """Add, claim, run and complete an upkeep job; its result."""
        job = self.sql.add(job_type, metadata)
        with self.database.engine.begin() as conn:
            held = claims.claim(conn, job, f"task-{job}", "test-worker")
        assert held is not None
        result = getattr(self.service, job_type)(RunningJob(self.database.engine, held))
        assert self.sql.value("select complete_queue_job(%s, '{}', %s)", job, held.token)
        return result

    def ended_on(self, job: UUID, moment: str) -> None:
        """As if the job had ended then."""
        with self.database.engine.begin() as conn:
            conn.execute(text("set local session_replication_role = replica"))
            conn.execute(text("update queue_jobs set processed_at = :at where id = :id"), {"at": moment, "id": job})

    def later(self, **span: float) -> None:
        """Set the clock that much ahead."""
        self.clock.time = datetime.now(UTC) + timedelta(**span)

    def archived(self) -> list[UUID]:
        return self.sql.values("select id from queue_jobs_archive order by id")

    def fold(self) -> None:
        self.sql.run("select fold_queue_counts()")

    def age_history(self, days: float) -> None:
        """As if all of the history were so much older."""
        with self.database.engine.begin() as conn:
            conn.execute(text("set local session_replication_role = replica"))
            conn.execute(text("update job_events set at = at - :ago"), {"ago": timedelta(days=days)})


@pytest.fixture
def world(database: Database, settings: Settings) -> Iterator[World]:
    with sql_client(database) as sql:
        yield World(database, sql, settings)
