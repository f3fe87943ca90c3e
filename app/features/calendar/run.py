"""One run of a sync: its job, its connection, what it has counted. Later runs of the same connection make it stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from app.features.calendar import connections
from app.features.calendar.connections import Connected
from app.features.calendar.models import CalendarChanges
from app.formats.problems import Notes
from app.queue.models import CalendarSyncResult
from app.queue.running import RunningJob
from app.queue.waiting import while_waiting

T = TypeVar("T")

NAMED = 20  # problems in a result
SIGN_OF_LIFE = 1.5  # seconds


class Superseded(Exception):
    """Another run of this connection began after this one, and does its work."""


@dataclass
class Run:
    """`now` is the instant the run began, aware."""

    job: RunningJob
    connection: Connected
    now: datetime
    result: CalendarSyncResult
    notes: Notes = field(default_factory=Notes)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commits only while the job is ours and no later run has begun. Raises LeaseLost and Superseded."""
        with self.job.transaction() as conn:
            if not connections.hold(conn, self.connection):
                raise Superseded
            yield conn

    def wait(self, call: Callable[[], T]) -> T:
        """Run something slow, with signs of life; a cancelled job is left at once."""
        return while_waiting(call, self._tick, every=SIGN_OF_LIFE)

    def _tick(self, seconds: int) -> None:
        self.job.progress("waiting", 50, f"Waiting for the calendar ({seconds} s)")

    def count(self, changes: CalendarChanges) -> None:
        """Add what was written."""
        found = changes.occurrences
        for name in ("added", "updated", "unchanged", "removed"):
            setattr(self.result, name, getattr(self.result, name) + getattr(found, name))

    def finished(self, **more: Any) -> CalendarSyncResult:
        """The result, with the problems that were met."""
        prefix = self.connection.origin.prefix
        named = [str(problem).replace(prefix, "") for problem in self.notes.problems]
        return self.result.model_copy(update={"refused": len(named), "problems": named[:NAMED], **more})
