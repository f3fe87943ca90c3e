"""The servers of a test run, and the databases cloned from one migrated template."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import Engine

from app.db.engine import make_engine
from app.embedded.postgres import THROWAWAY, USER, PostgresServer, major_version, packaged_binaries
from app.embedded.processes import ProcessId
from app.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
OTHER_POSTGRES = "BUILDOS_TEST_POSTGRES"  # a `bin` folder to take instead of the embedded one
MEMORY = Path("/dev/shm")  # Linux
ENOUGH = 6 * 2**30  # bytes free, of which four servers take one at most
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """A database of one test: its address and a pool on it."""

    url: str
    engine: Engine


def installations() -> dict[str, Path]:
    """Every Postgres this machine has, by label: the embedded one, Debian's, the one named in the environment."""
    found = {"embedded": packaged_binaries()}
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin")):
        if (folder / "initdb").exists() and major_version(folder) >= 14:
            found[f"system-{folder.parent.name}"] = folder
    if named := os.environ.get(OTHER_POSTGRES):
        found["named"] = Path(named)
    return found


def session_binaries() -> Path:
    """The installation the whole run uses."""
    return installations().get("named", packaged_binaries())


@contextmanager
def postgres(folder: Path, binaries: Path) -> Iterator[PostgresServer]:
    """A throwaway server, as fast as it can be."""
    options = {**THROWAWAY, "max_wal_senders": "0", "wal_level": "minimal", "max_wal_size": "256MB"}
    with _quick_folder(folder) as quick:
        server = PostgresServer(quick / "data", binaries, options=options)
        server.start(folder / "postgres.log")
        try:
            _spare_the_hashing(server)
            yield server
        finally:
            server.stop()


@contextmanager
def _quick_folder(other: Path) -> Iterator[Path]:
    """A folder in memory where the machine has plenty, else `other`: a database of one test is 370 files to write and to remove."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ENOUGH or not os.access(MEMORY, os.W_OK):
        yield other
        return
    for left in MEMORY.glob("buildos-tests-*"):  # by a run that was killed
        if ProcessId.of(int(left.name.split("-")[2])) is None:
            shutil.rmtree(left, ignore_errors=True)
    quick = Path(tempfile.mkdtemp(prefix=f"buildos-tests-{os.getpid()}-", dir=MEMORY))
    try:
        yield quick
    finally:
        shutil.rmtree(quick, ignore_errors=True)


@contextmanager
def new_database(server: PostgresServer, template: str = "template1") -> Iterator[Database]:
    """A fresh copy of `template`, dropped at the end whoever is still connected."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        # A third of the CPU of a copy that goes through the WAL, and there is one for each of two thousand tests.
        strategy = "strategy file_copy" if admin.info.server_version >= 15_00_00 else ""
        admin.execute(f"create database {name} template {template} {strategy}")
        engine = make_engine(plain_settings(database_url=server.url(name)), application_name="tests")
        try:
            yield Database(server.url(name), engine)
        finally:
            engine.dispose()
            admin.execute(f"drop database {name} with (force)")


def _spare_the_hashing(server: PostgresServer) -> None:
    """Passwords are checked as anywhere, with one round in place of 4,096: those are half of what a connection costs."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        if admin.info.server_version >= 16_00_00:
            admin.execute("set scram_iterations = 1")
            admin.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(USER), server.password))


def migrated_template(server: PostgresServer) -> str:
    """Make the template database. Migrations read DATABASE_URL once a process, hence a process of their own."""
    name = "migrated"
    server.create_database(name)
    alembic(server.url(name), "upgrade", "head")
    return name


def alembic(url: str, *arguments: str) -> str:
    """Run `alembic` on a database and return what it said. Raises AssertionError with its words when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def plain_settings(**values: object) -> Settings:
    """Settings from these values alone: no `.env` of a developer's checkout gets in."""
    return load_settings(_env_file=None, **values)
