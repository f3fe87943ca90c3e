"""Committed changes become events of the users who are connected to this process.

Every API process reads the changes itself, from Postgres alone: NOTIFY wakes it, a poll every second covers a lost wake-up. A
listener that comes back is first told what it missed, then joins the live stream at exactly the place the stream has reached:
both happen under one lock, so nothing is told twice and nothing is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import RLock
from typing import Any, Protocol
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.realtime.changes import Cursor, Event, Position, Tables, last_place, read_changes

log = structlog.get_logger("realtime")

POLL = 1.0  # seconds between looks when no wake-up came
HELD_BACK = 0.005  # seconds until the first look again for changes that wait for an older transaction
# Seconds between two looks: a quarter of what the last one took, within bounds, so that a burst of commits is read in one.
PAUSE = 0.001, 0.01
TOLD_AT_ONCE = 100  # events, after which those that were told first may leave
FIRST_RETRY, LAST_RETRY = 0.2, 5.0  # seconds between attempts to reach Postgres


class TooOld(Exception):
    """What lies after this cursor is no longer known in full: the browser must load afresh."""


class Listener(Protocol):
    """One connected browser."""

    user_id: UUID

    def tell(self, event: Event) -> None: ...

    def joined(self) -> bool:
        """Now it hears the live stream. False when it has gone meanwhile."""


class Feed:
    """The live stream of this process, and the replay for those who come back.

    `told` hears how many seconds lay between the oldest change of a look and its being told.
    """

    def __init__(self, engine: Engine, listen_url: str, tables: Tables, told: Callable[[float], None] = lambda lag: None):
        self._engine, self._listen_url, self._tables, self._told = engine, listen_url, tables, told
        self._lock = RLock()
        self._listeners: dict[UUID, set[Listener]] = {}
        self._reached: Cursor | None = None
        self._deliver: Callable[[Event], None] = lambda event: None
        self._spawn: Callable[..., Any] | None = None

    def bind(self, deliver: Callable[[Event], None], spawn: Callable[..., Any]) -> None:
        """How to reach a user's browsers, and how to run in the background. The stream starts with the first listener."""
        self._deliver, self._spawn = deliver, spawn

    def join(self, listener: Listener, since: Cursor | None) -> tuple[Cursor, int]:
        """Tell what was missed since the cursor, then the live stream. Returns where it joined and how many events it missed.

        Raises TooOld, and SQLAlchemyError when the database is away: then the listener has not joined.
        """
        position, told = None, 0
        if since is not None:
            position, told = self._replay(listener, since.position, self._checked(since).position)
        with self._lock:
            joined_at = self._current()
            if position is not None:
                told += self._replay(listener, position, joined_at.position)[1]
            if listener.joined():
                self._listeners.setdefault(listener.user_id, set()).add(listener)
            return joined_at, told

    def replay(self, listener: Listener, since: Cursor, upto: Position) -> int:
        """Tell what happened after `since` and not after `upto`. Raises TooOld. Returns the number of events."""
        self._checked(since)
        return self._replay(listener, since.position, upto)[1]

    def leave(self, listener: Listener) -> Cursor | None:
        """The listener hears nothing any more. Returns the place of the stream it has heard up to."""
        with self._lock:
            others = self._listeners.get(listener.user_id, set())
            others.discard(listener)
            if not others:
                self._listeners.pop(listener.user_id, None)
            return self._reached

    def _current(self) -> Cursor:
        """Where the live stream is; with nobody listening it is simply now."""
        with self._lock:
            if self._reached is None or not self._listeners:
                self._reached = last_place(self._engine)
            if self._spawn is not None:
                self._spawn(self._run)
                self._spawn = None
            return self._reached

    def _checked(self, since: Cursor) -> Cursor:
        """Where the live stream is, which is not before `since`. Raises TooOld."""
        with self._lock:
            now = self._current()
            if since.position > now.position:  # another process, a little ahead of this one, gave it out
                while self._advance()[0]:
                    pass
                now = self._current()
            if since.is_too_far_behind(now):
                raise TooOld
            return now

    def _replay(self, listener: Listener, after: Position, upto: Position) -> tuple[Position, int]:
        told = 0
        while after < upto:
            batch = read_changes(self._engine, self._tables, [listener.user_id], after, upto)
            for event in batch.events:
                self._tell(listener.tell, event)
            told += len(batch.events)
            after = batch.reached.position
        return after, told

    def _tell(self, deliver: Callable[[Event], None], event: Event) -> None:
        try:
            deliver(event)
        except ConnectionError:  # a browser that is just leaving
            pass
        except (ValueError, RecursionError, TypeError) as error:
            log.warning("an event cannot be encoded whole", name=event.name, error=type(error).__name__)
            with suppress(ConnectionError):
                deliver(event.bare())

    def _run(self) -> None:
        retry = FIRST_RETRY
        while True:
            try:
                with psycopg.connect(
                    self._listen_url, autocommit=True, connect_timeout=5, application_name="buildos feed"
                ) as conn:
                    conn.execute("listen row_events")
                    retry = FIRST_RETRY
                    self._follow(conn)
            except (psycopg.Error, SQLAlchemyError, OSError) as error:
                log.warning("the feed lost the database", error=type(error).__name__, retry_in=retry)
            except Exception:
                log.exception(
                    "the feed stumbled", retry_in=retry
                )  # whatever it is, browsers must hear of what comes next
            time.sleep(retry)
            retry = min(retry * 2, LAST_RETRY)

    def _follow(self, conn: psycopg.Connection) -> None:
        wait = POLL
        while True:
            began = time.perf_counter()
            more, held_back = self._advance()
            if more:
                continue
            took = time.perf_counter() - began
            wait = min(wait * 2, POLL / 4) if held_back and wait < POLL else HELD_BACK if held_back else POLL
            time.sleep(min(max(took / 4, PAUSE[0]), PAUSE[1]))
            for _ in conn.notifies(timeout=wait, stop_after=1):
                pass

    def _advance(self) -> tuple[bool, bool]:
        """Tell one page of what is new. Returns whether there is another, and whether changes are held back."""
        with self._lock:
            if not self._listeners or self._reached is None:
                return False, False
            looked = time.monotonic()
            batch = read_changes(self._engine, self._tables, self._listeners.keys(), self._reached.position)
            self._reached = batch.reached
            for number, event in enumerate(batch.events, 1):
                self._tell(self._deliver, event)
                if number % TOLD_AT_ONCE == 0:
                    time.sleep(0)
            if batch.events:
                self._told(batch.lag + time.monotonic() - looked)
            return batch.more, batch.held_back
