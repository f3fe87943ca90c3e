"""One embedded Postgres and one Valkey for the whole run; every test has a database and a Redis of its own.

def test_something(database, redis_url, settings): ...
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.embedded.postgres import PostgresServer
from app.embedded.redis import RedisServer
from app.logs import JOB, TRACEPARENT, USER
from app.settings import Settings
from app.settings_files import spellings
from tests.support import chromium, servers, sharing
from tests.support.servers import Database

REDIS_DATABASES = 4000

# A developer's own settings decide no test.
for _name, _field in Settings.model_fields.items():
    for _spelling in spellings(_name, _field):
        os.environ.pop(_spelling.upper(), None)
        os.environ.pop(f"{_spelling.upper()}_FILE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who begins when; a run of a few files keeps their tests in order."""
    place = {unit: number for number, unit in enumerate(sharing.in_order(item.nodeid for item in items))}
    items.sort(key=lambda item: place[sharing.unit_of(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> sharing.ByFile | None:
    """Which process runs what."""
    return sharing.ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


NO_BROWSER = chromium.what_is_missing(chromium.program())
BROWSER_TESTS = servers.ROOT / "tests" / "browser"
collect_ignore_glob = ["browser/test_*.py"] if NO_BROWSER else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say plainly that the tests in the browser did not run, where they were asked for."""
    asked = [Path(str(argument).partition("::")[0]).resolve() for argument in config.args]
    if said := chromium.not_run(NO_BROWSER, asked, BROWSER_TESTS):
        terminalreporter.section("the console was NOT tested in a browser", yellow=True, bold=True)
        terminalreporter.line(said)


@pytest.fixture(autouse=True)
def nobody_acts_yet() -> None:
    """What a worker or a request sets for as long as it lasts, a test must not leave to the next one."""
    for cause in (JOB, USER, TRACEPARENT):
        cause.set(None)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The Postgres of this run: embedded, or the one that BUILDOS_TEST_POSTGRES names."""
    with servers.postgres(tmp_path_factory.mktemp("postgres"), servers.session_binaries()) as server:
        yield server


@pytest.fixture(scope="session", params=servers.installations().values(), ids=servers.installations().keys())
def each_postgres(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server of every Postgres on this machine, one after the other."""
    with servers.postgres(tmp_path_factory.mktemp("postgres"), request.param) as server:
        yield server


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer) -> str:
    """Name of the database that is migrated once and cloned for each test."""
    return servers.migrated_template(postgres_server)


@pytest.fixture
def database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """A migrated, empty database of this test alone: `.url` and `.engine`."""
    with servers.new_database(postgres_server, template_database) as fresh:
        yield fresh


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database without a single table, for tests of the migrations."""
    with servers.new_database(postgres_server) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, Iterator[int]]]:
    """The Valkey of this run and the numbers of its databases."""
    server = RedisServer(databases=REDIS_DATABASES)
    server.start(tmp_path_factory.mktemp("redis") / "redis.log")
    yield server, itertools.cycle(range(REDIS_DATABASES))
    server.stop()


@pytest.fixture
def redis_url(redis_server: tuple[RedisServer, Iterator[int]]) -> str:
    """A Redis database of this test alone, empty."""
    server, numbers = redis_server
    url = server.url_of(next(numbers))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def settings(database: Database, redis_url: str) -> Settings:
    """The settings of a program on this test's database and Redis."""
    return servers.plain_settings(database_url=database.url, redis_url=redis_url)


@pytest.fixture
def process_env(database: Database, redis_url: str) -> dict[str, str]:
    """The environment for a real process of ours (`python -m celery -A tasks …`) on this test's servers; cwd is `servers.ROOT`."""
    return {**os.environ, "DATABASE_URL": database.url, "REDIS_URL": redis_url, "PYTHONPATH": str(servers.ROOT)}


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return servers.ROOT
