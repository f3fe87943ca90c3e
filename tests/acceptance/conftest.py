"""Real workers on the test's own servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.embedded.postgres import PostgresServer
from app.embedded.redis import RedisServer
from tests.support.processes import Workers, workers_on
from tests.support.servers import ROOT, Database, new_database

FAST = {"RETRY_BACKOFF_BASE": "0.05", "QUEUE_POLL_INTERVAL": "500", "QUEUE_HEARTBEAT_INTERVAL": "300"}


@pytest.fixture
def workers(database: Database, process_env: dict[str, str], tmp_path: Path) -> Iterator[Workers]:
    """Starts workers; every one is ended with the test."""
    with workers_on(database, {**process_env, **FAST}, tmp_path) as started:
        yield started


@dataclass(frozen=True)
class Running:
    """A worker at work, and where."""

    database: Database
    redis_url: str
    workers: Workers


@pytest.fixture(scope="module")
def running(
    postgres_server: PostgresServer,
    template_database: str,
    redis_server: tuple[RedisServer, Iterator[int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """One worker `-c 2` for all tests of a file that leave it as they found it, and nothing in the queue that is to run."""
    server, numbers = redis_server
    redis_url = server.url_of(next(numbers))
    with new_database(postgres_server, template_database) as database:
        env = {**os.environ, "DATABASE_URL": database.url, "REDIS_URL": redis_url, "PYTHONPATH": str(ROOT), **FAST}
        with workers_on(database, env, tmp_path_factory.mktemp("running")) as workers:
            workers.start()
            yield Running(database, redis_url, workers)
