"""What is done with the service key is written to `audit_log` (CONTRACT 10): one statement for whatever is to be written.

An act of an operator is there before its answer goes out. Where the key adds jobs, thousands a second as a web app passes its users'
wishes on, requests that come together are written together, and most of them do not wait for it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger("audit")

MOST = 100_000  # entries that wait while the database is away
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
    """The entries of this process on their way to the table. Many at once share a statement: one writes, for the others too."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[Entry] = deque(maxlen=MOST)
        self._writing = Lock()

    def note(self, entry: Entry, *, at_once: bool) -> None:
        """Write the entry; unless `at_once`, leave that to whoever is just writing. Never raises: what cannot be written stays for
        the next time, and is in the log."""
        self._waiting.append(entry)
        if at_once:
            self.write()
            return
        while self._waiting and self._writing.acquire(blocking=False):
            try:
                if not self._write():
                    return
            finally:
                self._writing.release()

    def write(self) -> None:
        """Write all that waits."""
        with self._writing:
            self._write()

    def _write(self) -> bool:
        entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not entries:
            return True
        try:
            with self._engine.begin() as conn:
                conn.execute(_WRITE, {"entries": json.dumps([entry.as_json() for entry in entries])})
        except SQLAlchemyError as error:
            log.error("the audit log cannot be written", error=type(error).__name__, entries=[entry.as_json() for entry in entries[-1:]])
            self._waiting.extendleft(reversed(entries))
            return False
        return True


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
