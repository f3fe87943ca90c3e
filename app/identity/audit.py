"""What is done with the service key is written to `audit_log` (CONTRACT 10): one statement for whatever is to be written.

An act of an operator is there before its answer goes out. Jobs that the key adds, thousands a second where a web app passes its users'
wishes on, are there within half a second: their own rows say what was added.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock, Timer
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger("audit")

SOON, LATEST = 0.5, 60.0  # seconds until what may wait is written; while the database is away twice as long each time
MOST = 100_000  # entries that wait while the database is away; beyond, the oldest are in the log alone
BATCH = 5000  # rows removed in one transaction

_WRITE = text("""
    insert into audit_log (at, actor, address, action, target, details, status)
    select e.at, e.actor, e.address, e.action, e.target, e.details, e.status
    from jsonb_to_recordset(cast(:entries as jsonb))
        as e (at timestamptz, actor text, address text, action text, target text, details jsonb, status int)
""")


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. `at` is aware; `details` is what the request names."""

    at: datetime
    actor: str
    address: str | None
    action: str
    target: str
    status: int
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"at": self.at.isoformat()}


class Audit:
    """The entries of this process on their way to the table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[Entry] = deque()
        self._writing = Lock()
        self._timer: Timer | None = None
        self._pause = SOON

    def note(self, entry: Entry, *, at_once: bool) -> None:
        """Write the entry: at once, or soon and with others. Never raises; what cannot be written is tried again, and in the log."""
        self._waiting.append(entry)
        if at_once:
            self.write()
        elif self._timer is None:
            self._later()

    def write(self) -> None:
        """Write all that waits."""
        with self._writing:
            entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not entries:
                return
            try:
                with self._engine.begin() as conn:
                    conn.execute(_WRITE, {"entries": json.dumps([entry.as_json() for entry in entries])})
            except SQLAlchemyError as error:
                log.error("the audit log cannot be written", error=type(error).__name__, entries=len(entries))
                for lost in entries[: max(0, len(entries) - MOST)]:
                    log.error("not in the audit log", **lost.as_json())
                self._waiting.extendleft(reversed(entries[-MOST:]))
                self._pause = min(2 * self._pause, LATEST)
                self._later()
            else:
                self._pause = SOON

    def _later(self) -> None:
        self._timer = Timer(self._pause, self._tick)
        self._timer.daemon = True
        self._timer.start()

    def _tick(self) -> None:
        self._timer = None
        self.write()


class Begin(Protocol):
    """Opens a transaction; each call one of its own."""

    def __call__(self) -> AbstractContextManager[Connection]: ...


def prune(begin: Begin, now: datetime, days: float) -> Iterator[int]:
    """Remove what is older than `days` (30 at least), a batch at a time. Yields how many went."""
    query = text("select prune_audit_log(:before, :limit)")
    while True:
        with begin() as conn:
            gone = conn.execute(query, {"before": now - timedelta(days=days), "limit": BATCH}).scalar_one()
        yield gone
        if gone < BATCH:
            return
