"""Runs the migrations, each version in a transaction of its own.

An advisory lock of the session keeps two deploys from migrating at once; so the address is the
direct one, never a transaction pooler's.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from app.settings import get_settings, sqlalchemy_url

MIGRATION_LOCK = 6_003_212_111  # any fixed number; the same for every release


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=None,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _main() -> None:
    engine = create_engine(sqlalchemy_url(get_settings().listen_url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
        _run(connection)


_main()
