"""Browsers of the drill's users: what they hear is written down, and judged in the end against what was committed (CONTRACT 6)."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import socketio
from socketio.exceptions import SocketIOError

from tests.chaos.verdict import Verdict

ENDED = ("completed", "failed", "cancelled")
AGAIN = 0.1  # seconds between attempts to connect
CONNECT = 5.0  # seconds an attempt, or an answer, may take
EVENT = 0.05  # seconds between two transactions with named events, on average
REST = 20.0  # seconds browsers have in the end to hear what is left
NAMED = """
    select xid::text::bigint, id from row_events where user_id = %s and event is not null and (xid, id) > (%s::text::xid8, %s)
    order by row_events.xid, id
"""
ENDS = """
    select job_id::text, count(*) from job_events where user_id = %s and "to" in ('completed', 'failed', 'cancelled')
    and (xid, id) > (%s::text::xid8, %s) group by 1
"""
PATHS = 'select job_id::text, "to"::text from job_events where user_id = %s and "to" is not null order by id'


class Told(NamedTuple):
    """One event as a browser heard it. `owner` is whose it says it is; `row` and `status` are of a job."""

    name: str
    place: tuple[int, int]
    owner: str | None
    table: str | None = None
    row: str | None = None
    status: str | None = None


@dataclass
class Window:
    """One browser window: it holds on to its cursor and comes back, each time to another API process."""

    user: UUID
    ports: list[int]
    chance: random.Random
    told: list[Told] = field(default_factory=list)
    began: str | None = None  # the cursor it first joined at
    cursor: str | None = None
    connections: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def live(self) -> None:
        """Connect, hear, come back, until it is cancelled."""
        while True:
            if self.began is None:  # it may have joined without hearing so
                self.told, self.cursor = [], None
            client = socketio.AsyncClient(reconnection=False)
            client.on("*", self._hear)
            try:
                await self._connect(client)
                await client.wait()
            except (SocketIOError, OSError, TimeoutError):
                await asyncio.sleep(AGAIN)
            finally:
                with suppress(SocketIOError, OSError):
                    await client.disconnect()

    async def _connect(self, client: socketio.AsyncClient) -> None:
        url = f"http://127.0.0.1:{self.chance.choice(self.ports)}"
        auth = {"userId": str(self.user), "cursor": self.cursor} if self.cursor else {"userId": str(self.user)}
        await client.connect(url, auth=auth, transports=["websocket"], wait_timeout=CONNECT)
        answer = await client.call("subscribe", {"channel": f"user:{self.user}"}, timeout=CONNECT)
        if answer["status"] == "SUBSCRIBED":
            self.began = self.began or answer["cursor"]
            self.cursor = self.cursor or answer["cursor"]
            self.connections += 1
            self.ready.set()

    def _hear(self, name: str, payload: dict[str, Any]) -> None:
        self.cursor = payload["cursor"]
        place = place_of(self.cursor)
        if name != "postgres_changes":
            self.told.append(
                Told(name, place, payload.get("error") if "error" in payload and is_id(payload["error"]) else None)
            )
            return
        row = payload["new"] or payload["old"]
        self.told.append(
            Told(name, place, payload["new"].get("user_id"), payload["table"], row["id"], payload["new"].get("status"))
        )


def is_id(words: str) -> bool:
    """Whether it is a user's id, as in the events of `Events`."""
    return len(words) == 36 and words.count("-") == 4


def place_of(cursor: str) -> tuple[int, int]:
    """The place in the order of changes that a cursor stands for."""
    xid, number, *_ = cursor.split(".")
    return int(xid), int(number)


class Browsers:
    """Windows of all users, on a loop of their own thread."""

    def __init__(self, users: list[UUID], ports: list[int], seed: int, *, windows: int = 2):
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="browsers", daemon=True).start()
        self.windows = [
            Window(user, ports, random.Random(f"{seed}-{user}-{n}")) for user in users for n in range(windows)
        ]
        self._tasks = [asyncio.run_coroutine_threadsafe(window.live(), self._loop) for window in self.windows]

    def wait(self, patience: float) -> None:
        """Until every window has joined. Raises TimeoutError."""

        async def all_ready() -> None:
            await asyncio.wait_for(asyncio.gather(*(window.ready.wait() for window in self.windows)), patience)

        asyncio.run_coroutine_threadsafe(all_ready(), self._loop).result()

    def settle(self, conn: psycopg.Connection) -> None:
        """Give every window time to hear of one last event, which is emitted here."""
        last = {}
        for user in {window.user for window in self.windows}:
            emit(conn, user)
            last[user] = conn.execute(NAMED, [user, "0", 0]).fetchall()[-1]

        async def heard() -> None:
            while any(not window.told or window.told[-1].place < last[window.user] for window in self.windows):
                await asyncio.sleep(0.05)

        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(asyncio.wait_for(heard(), REST), self._loop).result()

    def close(self) -> None:
        """Hang up on all."""

        async def end() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(REST)
        self._loop.call_soon_threadsafe(self._loop.stop)

    def judge(self, conn: psycopg.Connection, verdict: Verdict) -> None:
        """Events received = events committed, in order, none to another user; what is not so is blamed in the verdict."""
        for number, window in enumerate(self.windows):
            for words in faults_of(window, conn):
                verdict.blame("events missed, heard twice or astray", f"window {number}: {words}")
        verdict.counts["events heard"] = sum(len(window.told) for window in self.windows)
        verdict.counts["connections of browsers"] = sum(window.connections for window in self.windows)


class Events:
    """Emits named events until it is closed: some are rolled back, some transactions commit later than others that began after them."""

    def __init__(self, connect: Callable[[], psycopg.Connection], users: list[UUID], seed: int):
        self._connect, self._users, self._chance = connect, users, random.Random(f"{seed}-events")
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, name=f"events {n}", daemon=True) for n in range(2)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End, with everything committed or not."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._connect() as conn:
                    while not self._stopped.wait(self._chance.uniform(0, 2 * EVENT)):
                        with conn.transaction(force_rollback=self._chance.random() < 0.2):
                            for user in self._chance.choices(self._users, k=2):
                                emit(conn, user)
                                self._stopped.wait(self._chance.choice([0, 0, 0, EVENT]))
            except psycopg.Error:
                self._stopped.wait(AGAIN)


def emit(conn: psycopg.Connection, user: UUID) -> None:
    """A named event that says in its payload whose it is."""
    conn.execute(
        "with told as (insert into row_events (user_id, event, payload) values (%s, 'brief_failed', jsonb_build_object("
        "'error', %s::text, 'briefDate', '2031-01-01')) returning 1) select wake('row_events', '') from told",
        [user, str(user)],
    )


def faults_of(window: Window, conn: psycopg.Connection) -> list[str]:
    """What is wrong with what a window heard, in words."""
    if window.began is None:
        return ["never joined"]
    found = [f"told to {one.name}" for one in window.told if one.name == "reload"]
    owner = str(window.user)
    found += [f"heard of another user: {one}" for one in window.told if one.owner not in (None, owner)]
    places = [one.place for one in window.told]
    found += [f"{b} after {a}" for a, b in itertools.pairwise(places) if b <= a]
    since = (window.user, str(place_of(window.began)[0]), place_of(window.began)[1])
    named = [one.place for one in window.told if one.table is None]
    committed = [tuple(row) for row in conn.execute(NAMED, since)]
    if named != committed:
        missing, extra = set(committed) - set(named), set(named) - set(committed)
        found.append(
            f"named events: {len(committed)} committed, {len(named)} heard, missing {sorted(missing)[:3]}, unknown {sorted(extra)[:3]}"
        )
    return found + _faults_of_jobs(window, conn, since)


def _faults_of_jobs(window: Window, conn: psycopg.Connection, since: tuple[UUID, str, int]) -> list[str]:
    heard: dict[str, list[str]] = defaultdict(list)
    for one in window.told:
        if one.table == "queue_jobs" and one.status is not None:
            heard[one.row or ""].append(one.status)
    paths: dict[str, list[str]] = defaultdict(list)
    for job, status in conn.execute(PATHS, [window.user]):
        paths[job].append(status)
    found = []
    for job, times in conn.execute(ENDS, since):
        ends = sum(status in ENDED for status in heard[job])
        if ends != times:
            found.append(f"job {job} ended {times} times, heard {ends} times: {heard[job]}")
    for job, states in heard.items():
        if not is_part(_without_repeats(states), paths[job]):
            found.append(f"job {job} went through {paths[job]}, heard {states}")
    return found


def _without_repeats(states: list[str]) -> list[str]:
    # A change that leaves the state as it is, progress say, tells the state again.
    return [state for before, state in zip([None, *states], states, strict=False) if state != before]


def is_part(some: list[str], whole: list[str]) -> bool:
    """Whether `some` is what is left of `whole` when parts of it are left out."""
    rest = iter(whole)
    return all(state in rest for state in some)
