"""A row for each user in every table, made from the catalog: a new table is filled without a word here, unless its checks are odd."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg

from tests.support.jobs import Client

# What the catalog does not tell: table → column → SQL. `{user}` is the user's id.
ODD: dict[str, dict[str, str]] = {
    "task_dependencies": {"depends_on_task_id": "(select add_task from pg_temp.add_task('{user}'))"},
    "row_events": {"event": "'test'"},
    "queue_figures": {"span": "60", "measure": "'added'"},
    "queue_processes": {"kind": "'worker'"},
    "queue_settings": {"key": "'filled'"},
    "job_types": {"name": "'filled_' || left(md5(random()::text), 8)"},
    "queue_limits": {"job_types": "'{{other}}'"},
    "user_brief_preferences": {"is_active": "false"},
}
BY_TYPE = {
    "text": "'{table}-' || left(md5(random()::text), 8)", "integer": "1", "bigint": "1", "smallint": "1", "boolean": "false", "uuid": "gen_random_uuid()",
    "timestamp with time zone": "now()", "date": "current_date", "time without time zone": "'09:00'", "jsonb": "'{{}}'", "numeric": "1",
    "double precision": "1", "interval": "'1 hour'", "bytea": "''", "inet": "'127.0.0.1'", "xid8": "'1'",
}  # fmt: skip
_COLUMNS = """
    select a.attname as name, format_type(a.atttypid, null) as type, a.attnotnull as required,
           a.atthasdef or a.attidentity <> '' as given, a.attgenerated <> '' or a.attidentity = 'a' as fixed, t.typtype = 'e' as is_enum,
           t.typcategory = 'A' as is_array, f.confrelid::regclass::text as parent,
           (select attname from pg_attribute p where p.attrelid = f.confrelid and p.attnum = f.confkey[1]) as parent_column
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    left join pg_constraint f on f.conrelid = a.attrelid and f.contype = 'f' and f.conkey = array[a.attnum]
    where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum
"""


def tables(client: Client) -> list[str]:
    """Our tables, each after those it refers to."""
    names = client.values(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') "
        "and not relispartition and relname <> 'alembic_version' order by 1"
    )
    needs = {
        name: set(
            client.values(
                "select distinct confrelid::regclass::text from pg_constraint where contype = 'f' and conrelid = %s::regclass", name
            )
        )
        - {name}
        for name in names
    }
    ordered: list[str] = []
    while len(ordered) < len(names):
        ordered += [name for name in names if name not in ordered and needs[name] <= set(ordered)]
    return ordered


def has_user(client: Client, table: str) -> bool:
    """Whether rows of the table belong to a user."""
    return bool(
        client.run("select 1 from pg_attribute where attrelid = %s::regclass and attname = 'user_id' and not attisdropped", table)
    )


def fill(client: Client, emails: Sequence[str]) -> list[UUID]:
    """Make these users and at least one row of each in every table. Returns their ids. Raises AssertionError naming a table it cannot fill."""
    users = [client.user(email) for email in emails]
    if "tasks" in (names := tables(client)):
        client.run(
            "create or replace function pg_temp.add_task(owner uuid) returns uuid language sql as "
            "$$ insert into public.tasks (user_id, title) values (owner, 'first') returning id $$"
        )
    for name in names:
        if name == "users":
            continue
        columns = client.run(_COLUMNS, name)
        for user in users if has_user(client, name) else users[:1]:
            _insert(client, name, columns, user)
    return users


def _insert(client: Client, table: str, columns: list[dict[str, Any]], user: UUID) -> None:
    values = {}
    for column in columns:
        value = _value(client, table, column, user)
        if value is not None:
            values[column["name"]] = value
    listed = ", ".join(f'"{name}"' for name in values)
    statement = f"insert into {table} ({listed}) values ({', '.join(values.values())}) on conflict do nothing"
    try:
        client.connection.execute(statement)
    except psycopg.Error as error:
        raise AssertionError(f"tests/support/filling.py must be told in ODD how to fill {table}: {statement}: {error}") from error


def _value(client: Client, table: str, column: dict[str, Any], user: UUID) -> str | None:
    name = column["name"]
    if odd := ODD.get(table, {}).get(name):
        return odd.format(user=user)
    if column["fixed"]:
        return None
    if name == "user_id":
        return f"'{user}'"
    if not column["required"] or column["given"]:
        return None
    if column["parent"]:
        own = f" where user_id = '{user}'" if has_user(client, column["parent"]) else ""
        return f"(select {column['parent_column']} from {column['parent']}{own} limit 1)"
    if allowed := _allowed(client, table, name):
        return f"'{allowed}'"
    if column["is_enum"]:
        return f"(enum_range(null::{column['type']}))[array_length(enum_range(null::{column['type']}), 1)]"
    if column["is_array"]:
        return "'{}'"
    return BY_TYPE[column["type"]].format(table=table)


def _allowed(client: Client, table: str, column: str) -> str | None:
    """The first value that a check on this column lists."""
    checks = client.values("select pg_get_constraintdef(oid) from pg_constraint where contype = 'c' and conrelid = %s::regclass", table)
    for check in checks:
        if found := re.search(rf"\(?{column} = ANY \(+(?:ARRAY)?\[?'?{{?\(?'?([\w-]+)'", check):
            return found.group(1)
    return None
