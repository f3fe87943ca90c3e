"""Real workers on the test's own servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Workers, workers_on
from tests.support.servers import Database


@pytest.fixture
def workers(database: Database, process_env: dict[str, str], tmp_path: Path) -> Iterator[Workers]:
    """Starts workers; every one is ended with the test."""
    fast = {"RETRY_BACKOFF_BASE": "0.05", "QUEUE_POLL_INTERVAL": "500", "QUEUE_HEARTBEAT_INTERVAL": "300"}
    with workers_on(database, {**process_env, **fast}, tmp_path) as started:
        yield started
