"""The servers and processes of a run. What dies is started again, as any supervisor would do."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

from app.embedded import processes
from app.embedded.postgres import PostgresServer
from app.embedded.processes import free_port
from app.embedded.redis import RedisServer
from tests.chaos.proxy import Proxy
from tests.support.processes import Process
from tests.support.servers import alembic

DATABASE = "buildos"
# A crash of the server must cost nothing that was committed: only a crash of the machine would (fsync).
POSTGRES = {"fsync": "off", "max_connections": "120", "shared_buffers": "64MB"}
RESTART_AFTER = 0.5  # seconds a dead process stays away


@dataclass(frozen=True)
class Pace:
    """How fast the system under test notices things, in ms but for the last; and how many of it there are."""

    lease: int = 6000
    heartbeat: int = 700
    sweep: int = 700
    poll: int = 500
    backoff: float = 0.1  # seconds
    workers: int = 3
    beats: int = 2
    apis: int = 3

    def env(self) -> dict[str, str]:
        """As the processes read it."""
        return {
            "QUEUE_STALLED_TIMEOUT": str(self.lease),
            "QUEUE_HEARTBEAT_INTERVAL": str(self.heartbeat),
            "QUEUE_SWEEP_INTERVAL": str(self.sweep),
            "QUEUE_POLL_INTERVAL": str(self.poll),
            "RETRY_BACKOFF_BASE": str(self.backoff),
            "QUEUE_CANCEL_GRACE": "1",
            "QUEUE_DRAIN_TIMEOUT": "1",
        }


@dataclass
class Member:
    """A process that is kept running, and its own wires to the servers."""

    name: str
    arguments: list[str]
    env: dict[str, str]
    log: Path
    postgres: Proxy
    redis: Proxy
    process: Process | None = None
    wanted: bool = True
    starts: int = 0
    down_since: float = 0.0

    def children(self) -> list[int]:
        """Process ids of its children; empty when it is gone."""
        if self.process is None:
            return []
        try:
            return [
                int(pid)
                for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            ]
        except OSError:
            return []

    def signal(self, number: int) -> None:
        """Signal the main process, if there is one."""
        if self.process is not None and self.process.running:
            self.process.signal(number)

    def kill(self, *, everything: bool = True) -> None:
        """kill -9, of its children too unless told otherwise."""
        try:
            if everything and self.process is not None:
                self.process.signal_all(signal.SIGKILL)
            else:
                self.signal(signal.SIGKILL)
        except ProcessLookupError:
            pass


@dataclass
class Fleet:
    """Everything of a run, in one folder."""

    folder: Path
    pace: Pace
    postgres: PostgresServer
    redis: RedisServer
    members: list[Member] = field(default_factory=list)
    api_port: int = 0
    sockets: list[Proxy] = field(default_factory=list)  # before each API process: how browsers reach it

    @property
    def database_url(self) -> str:
        """Straight to the database: the harness itself and the clients of the SQL stream."""
        return self.postgres.url(DATABASE)

    @property
    def api_url(self) -> str:
        """Where clients find the API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def api_headers(self) -> dict[str, str]:
        """What they send along."""
        return {}

    def connect(self) -> psycopg.Connection:
        """A connection of its own, each statement its own transaction."""
        return psycopg.connect(self.database_url, autocommit=True, connect_timeout=5, application_name="chaos")

    def of(self, kind: str) -> list[Member]:
        """The members whose name begins with `kind`: worker, beat or api."""
        return [member for member in self.members if member.name.startswith(kind)]

    def add(self, name: str, arguments: list[str], env: dict[str, str]) -> Member:
        """A further member; `supervise` starts it."""
        wires = Proxy(self.postgres.port), Proxy(self.redis.port)
        own = {
            **os.environ,
            **self.pace.env(),
            "DATABASE_URL": self.database_url.replace(f":{self.postgres.port}/", f":{wires[0].port}/"),
            "REDIS_URL": self.redis.url.replace(f":{self.redis.port}/", f":{wires[1].port}/"),
            "PYTHONWARNINGS": "ignore",
            "CHAOS_LEDGER": str(self.folder / "ledger"),
            "CHAOS_TRAPS": str(self.folder / "traps"),
            **env,
        }
        member = Member(name, arguments, own, self.folder / f"{name}.log", *wires)
        self.members.append(member)
        return member

    def supervise(self) -> None:
        """One look: start what is wanted and is not there."""
        for member in self.members:
            if member.process is not None and member.process.running:
                member.down_since = 0.0
            elif member.wanted:
                member.down_since = member.down_since or time.monotonic()
                if member.process is None or time.monotonic() - member.down_since >= RESTART_AFTER:
                    if member.process is not None:
                        member.process.end()  # children that a dead parent left
                    member.process = Process(member.arguments, member.env, member.log)
                    member.starts += 1
                    member.down_since = 0.0

    def start_redis(self) -> None:
        """Start Redis on its port, empty."""
        _again(lambda: self.redis.start(self.folder / "redis.log"))

    def start_postgres(self) -> None:
        """Start Postgres on its folder; it recovers what a crash left."""
        _again(lambda: self.postgres.start(self.folder / "postgres.log"))

    def redis_client(self) -> redis.Redis:
        """A client of its own."""
        return redis.Redis.from_url(self.redis.url, socket_timeout=5)


def _again(start: Callable[[], None]) -> None:
    """The port of a server that just ended may still be taken for a moment."""
    for attempt in range(5):
        try:
            return start()
        except processes.StartError:
            if attempt == 4:
                raise
            time.sleep(0.5)
    return None


@contextmanager
def servers(folder: Path, pace: Pace) -> Iterator[Fleet]:
    """Postgres, migrated, and Redis, with nobody on them yet."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    (folder / "traps").mkdir(parents=True)
    fleet = Fleet(
        folder, pace, PostgresServer(folder / "postgres", options=POSTGRES), RedisServer(), api_port=free_port()
    )
    try:
        fleet.start_postgres()
        fleet.start_redis()
        alembic(fleet.database_url, "upgrade", "head")
        yield fleet
    finally:
        for proxy in fleet.sockets:
            proxy.close()
        for member in fleet.members:
            if member.process is not None:
                member.process.end()
            member.postgres.close()
            member.redis.close()
        if fleet.redis.process is not None:
            fleet.redis.process.send_signal(signal.SIGCONT)
        fleet.redis.stop()
        fleet.postgres.stop()


@contextmanager
def supervised(fleet: Fleet) -> Iterator[None]:
    """The fleet's members, kept running by a thread of their own."""
    stopped = threading.Event()

    def loop() -> None:
        while not stopped.is_set():
            fleet.supervise()
            stopped.wait(0.1)

    thread = threading.Thread(target=loop, name="supervisor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
