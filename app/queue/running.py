"""What a feature's service gets to work with: the job, its lease, its progress."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.queue.adding import to_json
from app.queue.catalog import read_metadata
from app.queue.claims import Claim
from app.queue.errors import InvalidMetadata, LeaseLost

log = logging.getLogger(__name__)

CHECKPOINT_EVERY = 1.0  # seconds between looks at the row, however often a loop calls checkpoint()


M = TypeVar("M")


class RunningJob(Generic[M]):
    """A claimed job, for as long as it is ours. Raises InvalidMetadata when its metadata does not fit its type's model."""

    def __init__(self, engine: Engine, held: Claim):
        self._engine = engine
        self._held = held
        self._looked = time.monotonic()
        self.metadata: M = read_metadata(held.job_type, held.metadata, held.user_id)

    @property
    def id(self) -> UUID:
        """The row's id."""
        return self._held.id

    @property
    def queue_job_id(self) -> str:
        """What the HTTP API calls jobId."""
        return self._held.queue_job_id

    @property
    def user_id(self) -> UUID | None:
        """Whose job it is; None for upkeep."""
        return self._held.user_id

    @property
    def job_type(self) -> str:
        """One of the catalog's names."""
        return self._held.job_type

    @property
    def attempt(self) -> int:
        """Number of this run, from 1."""
        return self._held.attempt

    @property
    def is_last_attempt(self) -> bool:
        """Whether a failure of this run ends the job."""
        return self._held.attempt >= self._held.max_attempts

    def progress(self, step: str, percent: float, message: str, projects: dict[str, int] | None = None) -> None:
        """Write `metadata.generation_progress`: a step's name, 0–100, a line for people, and counts of projects.

        A report that cannot be written is logged and does not fail the job. Raises LeaseLost when the job is no longer ours.
        """
        report: dict[str, Any] = {
            "step": step,
            "progress": round(min(100.0, max(0.0, percent)), 1),
            "message": message,
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        if projects is not None:
            report["projects"] = projects
        try:
            encoded = to_json(report, "progress")
            with self._engine.begin() as conn:
                ours = conn.execute(
                    text("select report_job_progress(:id, cast(:report as jsonb), :token)"),
                    {"id": self.id, "report": encoded, "token": self._held.token},
                ).scalar_one()
        except (SQLAlchemyError, InvalidMetadata) as error:
            log.warning("progress of job %s was not written: %s", self.id, _first_line(error))
            return
        self._looked = time.monotonic()
        if not ours:
            raise LeaseLost(f"job {self.id} is no longer ours")

    def checkpoint(self) -> None:
        """Raise LeaseLost when the job was cancelled or taken back. Cheap enough to call in any loop."""
        if time.monotonic() - self._looked < CHECKPOINT_EVERY:
            return
        try:
            with self._engine.connect() as conn:
                ours = conn.execute(_OURS, {"id": self.id, "token": self._held.token}).first() is not None
        except SQLAlchemyError as error:
            log.warning("lease of job %s could not be looked at: %s", self.id, _first_line(error))
            return
        self._looked = time.monotonic()
        if not ours:
            raise LeaseLost(f"job {self.id} is no longer ours")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that commits only while the job is ours: the row is locked first, so nobody can take it meanwhile.

        Everything a run writes goes through here. Raises LeaseLost when the job is no longer ours.
        """
        with self._engine.begin() as conn:
            if conn.execute(_LOCK, {"id": self.id, "token": self._held.token}).first() is None:
                raise LeaseLost(f"job {self.id} is no longer ours")
            yield conn


_OURS = text("select 1 from queue_jobs where id = :id and fencing_token = :token and status = 'processing'")
_LOCK = text("select 1 from queue_jobs where id = :id and fencing_token = :token and status = 'processing' for update")


def _first_line(error: Exception) -> str:
    origin = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(origin).strip().split("\n")[0]
