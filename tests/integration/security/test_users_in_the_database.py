"""A user's request runs in the database as that user: a query that forgets its filter shows and changes nothing of anybody else's
(CONTRACT 10, docs/decisions/0130-users-in-the-database.md)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.acting import ACT_FIRST, WRITER, acting_as, let_act, own_values
from app.web.brief_requests import queue_brief
from app.web.schemas import QueueBriefRequest
from tests.integration.security.conftest import World
from tests.support import filling
from tests.support.jobs import Client
from tests.support.tokens import KEY

ME = "select current_user, auth.uid(), auth.role(), current_setting('request.jwt.claims', true)"
OWNERS = "select distinct user_id from {}"
# What requests change of a user's rows; whatever else there is, a user may at most look at.
CHANGED = {
    "projects", "tasks", "task_dependencies", "notes", "calendar_series", "calendar_events", "task_calendar_events", "brain_dumps",
    "notifications", "push_subscriptions", "user_brief_preferences", "user_sms_preferences", "user_notification_preferences", "queue_jobs",
}  # fmt: skip


def test_who_it_is_in_the_database(world: World) -> None:
    claims = f'{{"sub": "{world.ada}", "role": "authenticated"}}'
    assert world.run(world.ada, ME) == [["authenticated", str(world.ada), "authenticated", claims]]
    assert world.run(world.ada, ME, writing=True) == [[WRITER, str(world.ada), "authenticated", claims]]


def test_the_next_request_on_that_connection_is_the_programs_again(world: World) -> None:
    owner = world.sql.value("select current_user")
    for statement in ("select 1", "select 1 / 0", "select * from queue_settings"):
        world.run(world.ada, statement, writing=True)
        world.run(world.ada, statement)
        for writing in (False, True):
            ((role, user, *_),) = world.run(KEY, ME, writing=writing)
            assert (role, user) == (owner, "None")


def test_a_forgotten_filter_shows_only_the_callers_rows(world: World) -> None:
    wrong = {}
    for table in [name for name in filling.tables(world.sql) if filling.has_user(world.sql, name)]:
        for writing in (False, True):
            seen = world.run(world.ada, OWNERS.format(table), writing=writing)
            if seen != [[str(world.ada)]]:
                wrong[table, writing] = seen
        assert len(world.run(KEY, OWNERS.format(table))) >= 2, table
    assert wrong == {}


def test_tables_without_a_user_are_closed_to_users(world: World) -> None:
    shared = [name for name in filling.tables(world.sql) if not filling.has_user(world.sql, name) and name != "users"]
    for writing in (False, True):
        open_ones = [table for table in shared if world.run(world.ada, f"select 1 from {table}", writing=writing) != 403]
        assert sorted(open_ones) == (["job_types", "time_zones"] if writing else [])


def test_looking_changes_nothing(world: World) -> None:
    assert world.run(world.ada, "update projects set name = 'changed' returning 1") == 403


def test_a_forgotten_filter_changes_only_the_callers_rows(world: World) -> None:
    changed = world.run(world.bob, "update tasks set title = 'changed' returning user_id", writing=True)
    assert {row[0] for row in changed} == {str(world.bob)}
    assert world.sql.value("select count(*) from tasks where title = 'changed' and user_id = %s", world.ada) == 0


def test_nothing_is_put_among_anothers_rows(world: World) -> None:
    assert world.run(world.bob, f"insert into projects (user_id, name) values ('{world.ada}', 'x') returning 1", writing=True) == 403
    assert world.run(world.bob, f"update projects set user_id = '{world.ada}' returning 1", writing=True) == 403
    assert world.run(world.bob, f"select add_queue_job('{world.ada}', 'other', '{{}}')", writing=True) == 403
    add = "select job_id from enqueue_job('{}', 'other', '{{}}')"
    assert world.run(world.bob, add.format(world.ada), writing=True) == 403
    assert len(world.run(world.bob, add.format(world.bob), writing=True)) == 1


def test_anothers_job_is_not_cancelled_nor_moved(world: World) -> None:
    job = world.sql.value("select add_queue_job(%s, 'other', '{}')", world.ada)
    for call in ("cancel_queue_job('{}')", "reschedule_queue_job('{}', now())"):
        assert world.run(world.bob, f"select {call.format(job)}", writing=True) == [["False"]]
    assert world.run(world.ada, f"select cancel_queue_job('{job}')", writing=True) == [["True"]]


@contextmanager
def writer(world: World, user: object) -> Iterator[Client]:
    """A transaction of a user's writing request; nothing stays."""
    with world.sql.connection.transaction(force_rollback=True):
        world.sql.run("select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)", WRITER, f'{{"sub": "{user}"}}')
        yield world.sql


def test_what_a_writing_request_may_change_table_by_table(world: World) -> None:
    may = {}
    for table in filling.tables(world.sql):
        for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
            every = world.sql.value("select has_table_privilege(%s, %s, %s)", WRITER, table, right)
            some = right in ("INSERT", "UPDATE") and world.sql.value("select has_any_column_privilege(%s, %s, %s)", WRITER, table, right)
            if every or some:
                may.setdefault(table, set()).add(right if every else "SOME")
    assert may.pop("users") == {"SOME"}
    assert set(may) == CHANGED
    assert all(rights <= {"INSERT", "UPDATE", "DELETE", "SOME"} for rights in may.values())
    assert "DELETE" not in may["queue_jobs"] | may["brain_dumps"] | may["notifications"]


@pytest.mark.parametrize("table", sorted(CHANGED))
def test_a_writing_request_reaches_own_rows_alone(world: World, table: str) -> None:
    with writer(world, world.ada) as client:
        owners = set(client.values(f"select user_id from {table}"))
        assert owners == {world.ada}
        # A job's user is kept by the table itself, whoever writes.
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)), client.connection.transaction():
            client.run(f"update {table} set user_id = %s", world.bob)
        if world.sql.value("select has_table_privilege(%s, %s, 'DELETE')", WRITER, table):
            client.run(f"delete from {table}")
    assert world.sql.value(f"select count(*) from {table} where user_id = %s", world.bob) > 0


def test_a_statement_that_is_its_own_transaction_is_the_users_too(world: World) -> None:
    engine, now = world.app.extensions["buildos"].engine, datetime(2033, 1, 2, tzinfo=UTC)
    wanted = QueueBriefRequest(userId=str(world.bob), briefDate="2033-01-02")
    for _ in range(6):  # prepared after a while
        with acting_as(world.ada):
            assert queue_brief(engine, world.bob, wanted, now) is None, "for Ada there is no Bob"
            mine = queue_brief(engine, world.ada, wanted, now)
            broken = text(f"select generate_series(1, length(coalesce({ACT_FIRST}, cast(:id as uuid))::text) / 0)")
            with pytest.raises(DBAPIError, match="division by zero"), engine.connect() as conn:
                conn.execute(broken, {**own_values(), "id": world.ada})
        theirs = queue_brief(engine, world.bob, wanted, now)
        ((role, user, *_),) = world.run(KEY, ME)
        assert (role, user) == (world.sql.value("select current_user"), "None")
    assert [world.sql.job(job.job_id)["user_id"] for job in (mine, theirs)] == [world.ada, world.bob]


def test_many_at_once_keep_apart(world: World) -> None:
    engine = world.app.extensions["buildos"].engine
    let_act(engine)  # once more changes nothing

    def look(number: int) -> bool:
        user = (world.ada, world.bob, None)[number % 3]
        with acting_as(user), engine.connect() as conn:
            found = conn.exec_driver_sql("select auth.uid(), count(distinct user_id) from tasks").one()
        return found == ((user, 1) if user else (None, 2))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(look, range(120)))


def test_a_database_that_is_away_is_a_503(world: World) -> None:
    engine = world.app.extensions["buildos"].engine
    world.run(world.ada, "select 1")
    # Every connection dies under the program's feet: who only looks is given another, unasked.
    world.sql.run("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
    assert world.run(world.ada, "select auth.uid()") == [[str(world.ada)]]
    world.sql.run("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
    assert world.call(world.ada, "POST", "/queue/brief", userId=str(world.ada)).status_code in (200, 503)
    engine.dispose()
