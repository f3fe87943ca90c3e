"""A SQL client, on a database that the tests of this folder share: it is emptied after each, which is faster than a new one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.embedded.postgres import PostgresServer
from tests.support import servers
from tests.support.jobs import Client, sql_client
from tests.support.servers import Database

EMPTIED = ("queue_jobs", "queue_jobs_archive", "queue_limits", "job_events", "row_events", "queue_counts", "queue_figures", "queue_processes", "daily_briefs", "activity_log", "users")


@pytest.fixture(scope="package")
def shared_database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """One migrated database for the whole folder."""
    with servers.new_database(postgres_server, template_database) as fresh:
        with sql_client(fresh) as client:
            client.run("create schema pristine")
            client.run("create table pristine.queue_settings as select * from queue_settings")
        yield fresh


def empty(database: Database) -> None:
    """Remove every job, history and user, whatever guards them; the settings become what a migration leaves."""
    with sql_client(database, autocommit=False, name="emptying") as client:
        client.run("set local session_replication_role = replica")
        for table in EMPTIED:
            client.run(f"delete from {table}")
        client.run("delete from queue_settings")
        client.run("insert into queue_settings select * from pristine.queue_settings")
        client.run("update queue_counts_fold set as_of = '0'")


@pytest.fixture
def database(shared_database: Database) -> Iterator[Database]:
    """The shared database, empty again afterwards."""
    yield shared_database
    shared_database.engine.dispose()
    empty(shared_database)


@pytest.fixture
def sql(database: Database) -> Iterator[Client]:
    """A session that commits each statement."""
    with sql_client(database) as client:
        yield client
