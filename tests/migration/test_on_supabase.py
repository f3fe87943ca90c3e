"""On a database that looks like Supabase's: roles, auth functions and generous default rights are there already (CONTRACT 3)."""

from __future__ import annotations

import pytest

from tests.migration.conftest import Migrated

OWN = "select ''00000000-0000-0000-0000-00000000abcd''::uuid"
SUPABASE = f"""
    do $$
    begin
        if not exists (select from pg_roles where rolname = 'anon') then create role anon nologin noinherit; end if;
        if not exists (select from pg_roles where rolname = 'authenticated') then create role authenticated nologin noinherit; end if;
        if not exists (select from pg_roles where rolname = 'service_role') then create role service_role nologin noinherit; end if;
    end
    $$;
    create schema auth;
    create function auth.uid() returns uuid language sql stable as '{OWN}';
    create function auth.role() returns text language sql stable as 'select ''authenticated''';
    grant usage on schema auth, public to anon, authenticated, service_role;
    alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
    alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
    alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
"""


@pytest.fixture
def supabase(migrated: Migrated) -> Migrated:
    """The database before our first migration."""
    migrated.sql.connection.execute(SUPABASE)
    return migrated


def test_what_is_there_stays_as_it_is(supabase: Migrated) -> None:
    before = supabase.catalog()
    supabase.upgrade("head")
    assert [line for line in before if line not in supabase.catalog()] == []
    assert str(supabase.sql.value("select auth.uid()")).endswith("abcd")
    supabase.downgrade("base")
    assert supabase.catalog() == before
    supabase.sql.connection.execute("drop schema auth cascade")


def test_its_default_rights_open_nothing(supabase: Migrated) -> None:
    supabase.upgrade("head")
    rights = supabase.sql.values(
        """
        select grantee || ' may ' || privilege_type || ' ' || relation from (
            select coalesce(r.rolname, 'public') as grantee, x.privilege_type, c.relname as relation
            from pg_class c, aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) x
            left join pg_roles r on r.oid = x.grantee
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
            union all
            select coalesce(r.rolname, 'public'), x.privilege_type, p.oid::regprocedure::text
            from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x left join pg_roles r on r.oid = x.grantee
            where p.pronamespace = 'public'::regnamespace
        ) held
        where grantee in ('anon', 'public') or grantee = 'authenticated' and privilege_type <> 'SELECT' order by 1
        """
    )
    assert rights == []
