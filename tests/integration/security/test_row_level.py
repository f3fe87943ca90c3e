"""Row-level security and rights, as a role that owns nothing. Tables and functions are found in the catalog: a new one is tested as it comes (CONTRACT 3 and 10)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest

from app.embedded.postgres import PostgresServer
from tests.support import filling, servers
from tests.support.jobs import Client, sql_client

FORBIDDEN = psycopg.errors.InsufficientPrivilege
ADDED_TO = ("audit_log",)  # what stands there, stays
# Functions of ours, not an extension's.
OURS = (
    "select p.oid::regprocedure::text as name, p.* from pg_proc p where p.pronamespace = 'public'::regnamespace "
    "and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e') order by 1"
)


class Filled:
    """A database with rows of two users in every table."""

    def __init__(self, url: str, sql: Client):
        self.url, self.sql = url, sql
        self.ada, self.bob = filling.fill(sql, ["ada@example.com", "bob@example.com"])
        self.tables = filling.tables(sql)
        self.owned = [name for name in self.tables if filling.has_user(sql, name)]
        self.shared = [name for name in self.tables if name not in self.owned and name != "users"]

    @contextmanager
    def acting_as(self, role: str, user: UUID | None = None, claims: dict[str, str] | None = None) -> Iterator[Client]:
        """A session of a role, with a user's token as Supabase passes it on, or with odd claims."""
        with sql_client(self.url) as client:
            client.run(f"set role {role}")
            token = {"sub": str(user), "role": role} if user else claims
            if token is not None:
                client.value("select set_config('request.jwt.claims', %s, false)", json.dumps(token))
            yield client


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer, template_database: str) -> Iterator[Filled]:
    with servers.new_database(postgres_server, template_database) as database, sql_client(database) as sql:
        yield Filled(database.url, sql)


def refused(client: Client, statement: str) -> bool:
    """Whether the role lacks the right; whatever it did is undone."""
    try:
        with client.connection.transaction(force_rollback=True):
            client.connection.execute(statement)
    except FORBIDDEN:
        return True
    return False


def test_there_is_something_to_test(filled: Filled) -> None:
    assert {"queue_jobs", "job_events", "row_events", "daily_briefs", "tasks", "emails"} <= set(filled.owned)
    assert {"queue_settings", "queue_counts"} <= set(filled.shared)


def test_it_is_on_for_every_table(filled: Filled) -> None:
    open_tables = filled.sql.values(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relrowsecurity"
    )
    assert open_tables == []


def test_the_policies_have_their_documented_names(filled: Filled) -> None:
    names = filled.sql.values("select policyname || ' ' || cmd from pg_policies where tablename = 'queue_jobs' order by 1")
    assert names == ["Service role full access ALL", "Users change own queue jobs ALL", "Users see own jobs SELECT"]


def test_a_user_sees_own_rows_and_no_others(filled: Filled) -> None:
    wrong = {}
    for user in (filled.ada, filled.bob):
        with filled.acting_as("authenticated", user) as client:
            for table in filled.owned:
                seen = set(client.values(f"select distinct user_id from {table}"))
                if seen != {user} or filled.sql.value(f"select count(*) from {table} where user_id <> %s", user) == 0:
                    wrong[table, user] = seen
            assert client.values("select id from users") == [user]
    assert wrong == {}


def test_nobody_else_sees_anything(filled: Filled) -> None:
    for user, claims in ((None, None), (None, {}), (None, {"role": "authenticated"}), (None, {"sub": ""}), (UUID(int=1), None)):
        with filled.acting_as("authenticated", user, claims) as client:
            for table in [*filled.owned, "users"]:
                assert client.run(f"select 1 from {table}") == [], table


def test_the_older_way_to_pass_the_user_works_and_an_empty_one_hides_nothing(filled: Filled) -> None:
    with filled.acting_as("authenticated") as client:
        client.value("select set_config('request.jwt.claim.sub', %s, false)", str(filled.ada))
        assert client.values("select id from users") == [filled.ada]
    with filled.acting_as("authenticated", filled.bob) as client:
        client.value("select set_config('request.jwt.claim.sub', '', false)")
        assert client.values("select id from users") == [filled.bob]


def test_what_has_no_user_is_nothing_for_users(filled: Filled) -> None:
    views = filled.sql.values("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('v', 'm', 'S')")
    with filled.acting_as("authenticated", filled.ada) as client:
        readable = [name for name in [*filled.shared, *views, "alembic_version"] if not refused(client, f"select 1 from {name}")]
    assert readable == []


def test_anonymous_callers_read_nothing(filled: Filled) -> None:
    everything = filled.sql.values("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')")
    with filled.acting_as("anon", filled.ada) as client:
        readable = [name for name in everything if not refused(client, f"select 1 from {name}")]
    assert readable == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_nobody_but_the_service_writes(filled: Filled, role: str) -> None:
    written = []
    with filled.acting_as(role, filled.ada) as client:
        for table in [*filled.tables, "alembic_version"]:
            column = filled.sql.value(
                "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and attgenerated = '' and attidentity = '' "
                "and not attisdropped order by attnum limit 1", table,
            )  # fmt: skip
            statements = (f"insert into {table} default values", f"update {table} set {column} = {column}", f"delete from {table}", f"truncate {table} cascade")
            written += [statement for statement in statements if not refused(client, statement)]
    assert written == []


def test_the_service_reads_and_writes_everything(filled: Filled) -> None:
    with filled.acting_as("service_role") as client:
        for table in filled.tables:
            assert client.value(f"select count(*) from {table}") == filled.sql.value(f"select count(*) from {table}"), table
            column = filled.sql.value(
                "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and attgenerated = '' and attidentity = '' "
                "and not attisdropped order by attnum limit 1", table,
            )  # fmt: skip
            changes = (f"update {table} set {column} = {column} where false", f"delete from {table} where false")
            assert [refused(client, change) for change in changes] == [table in ADDED_TO] * 2, table


def test_functions_are_the_services_alone(filled: Filled) -> None:
    held = filled.sql.run(
        f"select name, rolname from ({OURS}) p, pg_roles r where rolname in ('anon', 'authenticated') and has_function_privilege(r.oid, p.oid, 'execute')"
    )
    assert held == []
    missing = filled.sql.values(
        f"select name from ({OURS}) p where prorettype <> 'trigger'::regtype and not has_function_privilege('service_role', p.oid, 'execute')"
    )
    assert missing == []


def test_a_function_that_touches_tables_or_functions_has_a_fixed_search_path(filled: Filled) -> None:
    functions = filled.sql.run(OURS)
    names = {*filled.tables, *(row["proname"] for row in functions), "queue_jobs_stats"}
    loose = [
        row["name"] for row in functions
        if not any(setting.replace('"', "").startswith("search_path=public, pg_temp") for setting in row["proconfig"] or [])
        and (row["prosecdef"] or names & set(re.findall(r"\w+", row["prosrc"] or "")))
    ]  # fmt: skip
    assert loose == []


def test_a_token_of_another_user_does_not_reach_the_functions(filled: Filled) -> None:
    with filled.acting_as("authenticated", filled.ada) as client:
        for call in ("add_queue_job(null, 'other', '{}')", "claim_pending_jobs('{other}')", "get_queue_stats()", "cancel_queue_job(null)"):
            assert refused(client, f"select {call}"), call


def test_the_service_does_everything_through_the_functions(filled: Filled) -> None:
    with filled.acting_as("service_role") as client:
        first, second, third = (client.add("send_email", user=filled.ada, dedup_key=f"service-{n}") for n in range(3))
        (row,) = client.claim("send_email", batch=1)
        assert row["id"] == first
        assert client.value("select report_job_progress(%s, '{}', %s)", first, row["fencing_token"])
        assert client.value("select complete_queue_job(%s, '{}', %s)", first, row["fencing_token"])
        assert client.values("select job_id from dispatch_jobs('{send_email}', 1, 'd')") == [second]
        (row,) = client.run("select * from claim_job(%s, 't', 'w')", second)
        client.run("select fail_queue_job(%s, 'x', true)", second)
        assert client.value("select reschedule_queue_job(%s, now())", second) and client.value("select cancel_queue_job(%s)", third)
        (row,) = client.claim("send_email", batch=1)
        client.silent(row["id"], 30)
        assert client.value("select reset_stalled_jobs()") == client.value("select reset_stalled_jobs('1 day') + 1") == 1
        assert client.one("select * from cancel_brief_jobs_for_date(%s, '2030-01-01')", filled.ada)["cancelled_count"] == 0
        client.run("select fold_queue_counts()")
        assert client.run("select * from queue_jobs_stats") == client.run("select * from get_queue_stats()") != []
        assert client.value("select next_brief_run('daily', '09:00', 1, 'UTC', '2030-01-01Z')").hour == 9
        assert client.value("select check_and_schedule_briefs('2030-01-01Z')") >= 0
        assert client.value("select check_and_schedule_daily_sms('2030-01-01Z')") >= 0
