"""Clients that add jobs over SQL and HTTP all the time, and remember for each what they were answered."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import psycopg

from tests.chaos.fleet import Fleet
from tests.chaos.orders import HTTP_KINDS, Order, draw

ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"
GAP = 0.03  # seconds between two jobs of one client
BRIEF_DAYS = date(2031, 1, 1)
ADD = "select add_queue_job(%s, 'other', %s::jsonb, p_dedup_key => %s)"


@dataclass
class Entry:
    """One attempt to add a job. `unknown`: the connection was lost before the answer came."""

    order: Order
    via: str
    answer: str = UNKNOWN
    said: str = ""
    job_id: str | None = None
    again: str | None = None  # the id that a second request with the same idempotency key was answered
    cancelled: bool | None = None  # what cancel_queue_job answered


class Stream:
    """Adds jobs as fast as `allow` permits. `entries` is complete after `finish`."""

    def __init__(self, fleet: Fleet, users: list[UUID], seed: int, clients: list[Callable[[Stream, str], None]]):
        self.fleet = fleet
        self.users = users
        self.seed = seed
        self.entries: list[Entry] = []
        self._allowed = 0
        self._numbers = itertools.count()
        self._taken = 0
        self._lock = threading.Condition()
        self._stopped = False
        self._threads = [
            threading.Thread(target=client, args=(self, f"{seed}-{n}"), name=f"client {n}", daemon=True)
            for n, client in enumerate(clients)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def allow(self, total: int) -> None:
        """Let the stream go on until so many jobs were added in all, those not counted that were refused."""
        with self._lock:
            self._allowed = total
            self._lock.notify_all()

    def finish(self) -> None:
        """Wait until all that is allowed was added, and end."""
        with self._lock:
            self._lock.wait_for(lambda: self._taken >= self._allowed)
            self._stopped = True
            self._lock.notify_all()
        for thread in self._threads:
            thread.join()

    def numbers(self) -> Iterator[int]:
        """The numbers of the jobs that a client is to add, until the end."""
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._taken < self._allowed or self._stopped)
                if self._stopped:
                    return
                self._taken += 1
                number = next(self._numbers)
                self._lock.notify_all()
            yield number
            time.sleep(GAP)

    def refused(self, entry: Entry, said: str) -> None:
        """The system said no: another job may be tried in its place."""
        entry.answer, entry.said = REFUSED, said
        with self._lock:
            self._taken -= 1
            self._lock.notify_all()

    def enter(self, order: Order, via: str) -> Entry:
        """A new entry, remembered before it is tried."""
        entry = Entry(order, via)
        with self._lock:
            self.entries.append(entry)
        return entry


def sql_client(stream: Stream, name: str) -> None:
    """Adds `other` jobs with add_queue_job, cancels some, and adds some twice under one idempotency key."""
    chance = random.Random(name)
    conn: psycopg.Connection | None = None
    to_cancel: list[tuple[float, Entry]] = []
    for number in stream.numbers():
        entry = stream.enter(draw(f"sql-{name}-{number}"), "sql")
        user = chance.choice([*stream.users, None])
        twice = entry.order.kind == "plain" and chance.random() < 0.1
        try:
            conn = conn or stream.fleet.connect()
        except psycopg.Error as error:
            stream.refused(entry, str(error))
            continue
        try:
            arguments = (user, entry.order.metadata(), entry.order.key if twice else None)
            entry.job_id = str(conn.execute(ADD, arguments).fetchone()[0])
            entry.answer = ACCEPTED
            if twice:
                entry.again = str(conn.execute(ADD, arguments).fetchone()[0])
            if entry.order.kind == "cancel":
                to_cancel.append((time.monotonic() + chance.uniform(0, 0.5), entry))
            for due, waiting in list(to_cancel):
                if time.monotonic() >= due:
                    to_cancel.remove((due, waiting))
                    waiting.cancelled = conn.execute("select cancel_queue_job(%s)", [waiting.job_id]).fetchone()[0]
        except psycopg.Error as error:
            if entry.answer == UNKNOWN and error.sqlstate and error.sqlstate[:2] not in ("57", "08"):
                stream.refused(entry, f"{error.sqlstate} {error}")  # by the server itself
            entry.said = entry.said or f"{error.sqlstate} {error}"
            if conn.broken or conn.closed:
                conn = None
    if conn is not None:
        conn.close()


def http_client(stream: Stream, name: str) -> None:
    """Adds a brief with POST /queue/brief, each user and date once. 503 and a port that nobody serves are a no; 502 and 504 say that
    nobody knows."""
    for number in stream.numbers():
        user = stream.users[number % len(stream.users)]
        day = (BRIEF_DAYS + timedelta(days=number // len(stream.users))).isoformat()
        entry = stream.enter(draw(f"{user}/{day}", kinds=HTTP_KINDS), "http")
        body = json.dumps({"userId": str(user), "briefDate": day, "timezone": "UTC"}).encode()
        request = urllib.request.Request(
            f"{stream.fleet.api_url}/queue/brief", body, {"Content-Type": "application/json", **stream.fleet.api_headers}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                entry.said = json.load(answer)["jobId"]
            entry.answer = ACCEPTED
        except urllib.error.HTTPError as error:
            if error.code in (502, 504):
                entry.said = str(error.code)
            else:
                stream.refused(entry, str(error.code))
        except urllib.error.URLError as error:
            entry.said = str(error.reason)
            if isinstance(error.reason, ConnectionRefusedError):
                stream.refused(entry, entry.said)
            time.sleep(0.2)
        except (OSError, ValueError) as error:
            entry.said = repr(error)
