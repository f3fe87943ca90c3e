"""Alembic in this process, on a database without a table, on every Postgres of the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from alembic.script import ScriptDirectory

from app.db import migrate
from app.embedded.postgres import PostgresServer
from app.settings import get_settings
from tests.support import servers
from tests.support.jobs import Client, sql_client

# Everything a migration can leave behind in a database, as comparable text. Roles are the server's.
CATALOG = """
    select 'schema ' || nspname || ' ' || coalesce(nspacl::text, '') from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
    union all
    select 'relation ' || n.nspname || '.' || relname || ' ' || relkind::text || ' ' || coalesce(relacl::text, '') || ' ' || relrowsecurity
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and relname not in ('alembic_version', 'alembic_version_pkc')
    union all
    select 'column ' || attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull || ' ' ||
           coalesce(pg_get_expr(adbin, adrelid), '')
    from pg_attribute a join pg_class c on c.oid = attrelid left join pg_attrdef d on d.adrelid = attrelid and d.adnum = attnum
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and attnum > 0 and not attisdropped
      and relname <> 'alembic_version'
    union all
    select 'function ' || n.nspname || '.' || p.oid::regprocedure || ' ' || coalesce(proacl::text, '') || ' ' || md5(prosrc)
    from pg_proc p join pg_namespace n on n.oid = pronamespace where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    union all
    select 'type ' || n.nspname || '.' || typname || ' ' || coalesce((select string_agg(enumlabel, ',' order by enumsortorder) from pg_enum
           where enumtypid = t.oid), '')
    from pg_type t join pg_namespace n on n.oid = typnamespace
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and typname not in ('alembic_version', '_alembic_version')
    union all
    select 'policy ' || tablename || ' ' || policyname || ' ' || cmd || ' ' || coalesce(qual, '') from pg_policies where schemaname = 'public'
    union all
    select 'trigger ' || tgrelid::regclass || ' ' || tgname || ' ' || md5(pg_get_triggerdef(oid)) from pg_trigger where not tgisinternal
    union all
    select 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
    where connamespace = 'public'::regnamespace and conrelid <> 0 and conname <> 'alembic_version_pkc' and contype <> 'n'
    union all
    select 'extension ' || extname from pg_extension
    order by 1
"""


@dataclass(frozen=True)
class Migrated:
    """A database and the way to move it between versions."""

    url: str
    sql: Client
    upgrade: Callable[[str], None]
    downgrade: Callable[[str], None]

    def catalog(self) -> list[str]:
        """All that is there."""
        return self.sql.values(CATALOG)

    def version(self) -> list[str]:
        """What alembic believes."""
        return self.sql.values("select version_num from alembic_version")


def revisions() -> list[str]:
    """Every version, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(migrate._config()).walk_revisions()][::-1]


@pytest.fixture
def migrated(each_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Migrated]:
    """An empty database on each Postgres, nothing migrated yet."""
    with servers.new_database(each_postgres) as database:
        monkeypatch.setenv("DATABASE_URL", database.url)
        get_settings.cache_clear()
        with sql_client(database) as client:
            yield Migrated(database.url, client, migrate.upgrade, migrate.downgrade)
    get_settings.cache_clear()
