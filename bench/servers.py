"""The Postgres and the Redis that everybody is measured on: embedded, durable, the same ones for a whole run."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

from app.embedded.postgres import PostgresServer
from app.embedded.redis import RedisServer
from bench import programs
from bench.tally import STAMPS, VARIABLE, Tally

# Postgres as it comes (fsync and synchronous_commit on), except for the counter of statements and the connections of many processes.
OPTIONS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_utility": "on",
}
TEMPLATE = "bench_migrated"


@dataclass
class Place:
    """Where one contender runs in one round: a database and a Redis of its own, empty, on the common servers."""

    servers: Servers
    database_url: str
    redis_url: str
    folder: Path
    _redis: redis.Redis = field(init=False, repr=False)
    _conn: psycopg.Connection | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._redis = redis.Redis.from_url(self.redis_url)

    @property
    def redis(self) -> redis.Redis:
        """A client of the Redis database."""
        return self._redis

    @property
    def conn(self) -> psycopg.Connection:
        """A connection to the database, each statement its own transaction."""
        if self._conn is None:
            self._conn = psycopg.connect(self.database_url, autocommit=True, application_name="bench")
        return self._conn

    def value(self, statement: str, *values: object) -> object:
        """The first column of the first row."""
        row = self.conn.execute(statement, values).fetchone()
        return row[0] if row else None

    def env(self, **values: str) -> dict[str, str]:
        """The environment of the programs that run here."""
        tally = self.servers.tally
        ours = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        return programs.environment(**ours, **{VARIABLE: str(tally.path), STAMPS: str(tally.stamps)}, **values)

    def close(self) -> None:
        """Close what was opened."""
        self._redis.close()
        if self._conn is not None:
            self._conn.close()


@dataclass
class Servers:
    """The servers of a run."""

    postgres: PostgresServer
    redis: RedisServer
    folder: Path
    tally: Tally
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def place(self, *, migrated: bool = True) -> Iterator[Place]:
        """A fresh database (with our schema, or empty) and an emptied Redis database."""
        number = next(self._numbers)
        name = f"bench_{number}"
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as admin:
            admin.execute(f"create database {name} template {TEMPLATE if migrated else 'template1'}")
        redis_url = self.redis.url_of(number % self.redis.databases)
        with redis.Redis.from_url(redis_url) as client:
            client.flushdb()
        place = Place(self, self.postgres.url(name), redis_url, self.folder)
        try:
            yield place
        finally:
            place.close()
            with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as admin:
                admin.execute(f"drop database {name} with (force)")
            with redis.Redis.from_url(redis_url) as client:
                client.flushdb()

    def migrate(self) -> None:
        """Make the template database with our schema, once."""
        self.postgres.create_database(TEMPLATE)
        env = programs.environment(DATABASE_URL=self.postgres.url(TEMPLATE))
        programs.run(programs.python("-m", "app.cli", "migrate"), env)


@contextmanager
def running(options: Mapping[str, str] | None = None) -> Iterator[Servers]:
    """Both servers, in a temporary folder; the tally lies in memory."""
    with tempfile.TemporaryDirectory(prefix="buildos-bench-") as name, _memory() as memory:
        folder = Path(name)
        postgres = PostgresServer(folder / "postgres", options={**OPTIONS, **(options or {})})
        wire = RedisServer(databases=64)
        postgres.start(folder / "postgres.log")
        try:
            wire.start(folder / "redis.log")
            servers = Servers(postgres, wire, folder, Tally(memory))
            servers.tally.reset()
            with psycopg.connect(postgres.url("template1"), autocommit=True) as admin:
                admin.execute("create extension if not exists pg_stat_statements")
            servers.migrate()
            yield servers
        finally:
            wire.stop()
            postgres.stop()


@contextmanager
def _memory() -> Iterator[Path]:
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="buildos-bench-", dir=shared if shared.is_dir() else None) as name:
        yield Path(name)
