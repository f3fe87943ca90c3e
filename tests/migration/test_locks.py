"""A migration that cannot have its lock lets go: nobody waits long behind it, and what it began is undone (docs/upgrading.md)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from app.settings import get_settings
from tests.migration.conftest import Migrated
from tests.support.jobs import sql_client

BEFORE, AFTER = "0021_lanes", "0022_turns"  # swaps two indexes of the busiest table


@pytest.fixture
def impatient(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> Migrated:
    """A database one version before a lock of `queue_jobs` is needed, and a migration that waits 0.2 s for it, twice."""
    migrated.upgrade(BEFORE)
    monkeypatch.setenv("MIGRATION_LOCK_TIMEOUT", "0.2")
    monkeypatch.setenv("MIGRATION_TRIES", "2")
    get_settings.cache_clear()
    return migrated


def test_it_gives_up_and_the_traffic_goes_on(impatient: Migrated) -> None:
    there = impatient.catalog()
    with sql_client(impatient.url, autocommit=False) as reader, ThreadPoolExecutor(1) as thread:
        reader.run("select count(*) from queue_jobs")  # and its transaction stays open
        migration = thread.submit(impatient.upgrade, AFTER)
        added = 0
        while not migration.done():  # who comes while it waits, waits no longer than it does
            impatient.sql.run("set lock_timeout = '5s'")
            impatient.sql.add()
            added += 1
        with pytest.raises((DBAPIError, psycopg.Error), match="lock timeout"):
            migration.result()
    assert added > 1 and impatient.version() == [BEFORE] and impatient.catalog() == there
    impatient.upgrade(AFTER)
    assert impatient.version() == [AFTER]


def test_it_tries_again(impatient: Migrated, caplog: pytest.LogCaptureFixture) -> None:
    tried = threading.Event()
    with sql_client(impatient.url, autocommit=False) as reader, ThreadPoolExecutor(1) as thread:
        reader.run("select count(*) from queue_jobs")
        migration = thread.submit(lambda: (impatient.upgrade(AFTER), tried.set()))
        while "tries again" not in caplog.text and not migration.done():
            tried.wait(0.01)
        reader.connection.rollback()
        migration.result()
    assert impatient.version() == [AFTER]
