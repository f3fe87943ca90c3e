"""The servers of a test run, and the databases cloned from one migrated template."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import Engine

from app.db.engine import make_engine
from app.embedded.postgres import THROWAWAY, PostgresServer, major_version, packaged_binaries
from app.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
OTHER_POSTGRES = "BUILDOS_TEST_POSTGRES"  # a `bin` folder to take instead of the embedded one
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
    server = PostgresServer(
        folder / "data", binaries, options={**THROWAWAY, "max_wal_senders": "0", "wal_level": "minimal"}
    )
    server.start(folder / "postgres.log")
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def new_database(server: PostgresServer, template: str = "template1") -> Iterator[Database]:
    """A fresh copy of `template`, dropped at the end whoever is still connected."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template}")
    engine = make_engine(plain_settings(database_url=server.url(name)), application_name="tests")
    try:
        yield Database(server.url(name), engine)
    finally:
        engine.dispose()
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute(f"drop database {name} with (force)")


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
