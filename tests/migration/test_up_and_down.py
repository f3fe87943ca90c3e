"""Every version up and down, on an empty and on a filled database, on every Postgres at hand (CONTRACT 3, DESIGN 4)."""

from __future__ import annotations

import os
import subprocess
import sys

from app.embedded.postgres import PostgresServer
from tests.migration.conftest import Migrated, revisions
from tests.support import filling, servers
from tests.support.jobs import STATUSES, Client, sql_client


def put_jobs_in_flight(sql: Client) -> None:
    """A job in every state, of a user of its own."""
    user = sql.user("in-flight@example.com")
    for status in STATUSES:
        sql.in_state(status, job_type="send_sms", user=user, dedup_key=f"key-{status}")


def jobs(sql: Client) -> list[dict]:
    return sql.run("select * from queue_jobs order by id")


def test_there_and_back_on_an_empty_database(migrated: Migrated) -> None:
    before = migrated.catalog()
    migrated.upgrade("head")
    full = migrated.catalog()
    assert migrated.version() == [revisions()[-1]] and len(full) > len(before) + 300
    migrated.downgrade("base")
    assert (migrated.catalog(), migrated.version()) == (before, [])
    migrated.upgrade("head")
    assert migrated.catalog() == full


def test_there_and_back_on_a_filled_database(migrated: Migrated) -> None:
    before = migrated.catalog()
    migrated.upgrade("head")
    full = migrated.catalog()
    filling.fill(migrated.sql, ["ada@example.com", "bob@example.com"])
    put_jobs_in_flight(migrated.sql)
    for table in filling.tables(migrated.sql):
        assert migrated.sql.value(f"select count(*) from {table}") > 0, f"{table} is empty"
    migrated.downgrade("base")
    assert (migrated.catalog(), migrated.version()) == (before, [])
    migrated.upgrade("head")
    assert migrated.catalog() == full


def test_version_by_version_with_rows_everywhere(migrated: Migrated) -> None:
    previous, versions = migrated.catalog(), revisions()
    for number, version in enumerate(versions):
        migrated.upgrade(version)
        there = migrated.catalog()
        if "relation public.users r" in " ".join(there):
            filling.fill(migrated.sql, [f"{number}@example.com"])
        migrated.downgrade(versions[number - 1] if number else "base")
        assert migrated.catalog() == previous, f"{version} leaves something behind"
        migrated.upgrade(version)
        assert migrated.catalog() == there
        previous = there


def test_an_upgrade_leaves_jobs_in_flight_as_they_are(migrated: Migrated) -> None:
    first = next(version for version in revisions() if "queue" in version)
    migrated.upgrade(first)
    put_jobs_in_flight(migrated.sql)
    before, counts = jobs(migrated.sql), migrated.sql.run("table queue_jobs_stats")
    migrated.upgrade("head")
    after = [{key: row[key] for key in before[0]} for row in jobs(migrated.sql)]
    assert after == before and migrated.sql.run("table queue_jobs_stats") == counts
    row = migrated.sql.one("select * from queue_jobs where status = 'processing'")
    assert migrated.sql.value("select complete_queue_job(%s, '{}', %s)", row["id"], row["fencing_token"]) is True


def test_a_running_upgrade_makes_a_second_one_wait(each_postgres: PostgresServer) -> None:
    with servers.new_database(each_postgres) as database:
        both = [
            subprocess.Popen(
                [sys.executable, "-m", "alembic", "upgrade", "head"], cwd=servers.ROOT, text=True,
                env={**os.environ, "DATABASE_URL": database.url}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            for _ in range(2)
        ]  # fmt: skip
        said = [process.communicate(timeout=60)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], "\n".join(said)
        with sql_client(database) as sql:
            assert sql.values("select version_num from alembic_version") == [revisions()[-1]]
            sql.claimed()
