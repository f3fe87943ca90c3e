"""Runs the migrations on DATABASE_URL, or on the connection that `app.db.migrate` hands over.

Each version is a transaction of its own, and a server-wide advisory lock held by that transaction
keeps two deploys from migrating at once.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from app.settings import get_settings

MIGRATION_LOCK = 6_003_212_111  # any fixed number; the same for every release


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=None,
        transaction_per_migration=True,
        on_version_apply=lambda **_: None,
    )
    with context.begin_transaction():
        context.run_migrations()


def _main() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        _run(given)
        return
    engine = create_engine(get_settings().sqlalchemy_url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        # A lock of the session, on a connection of its own kind: migrations never go through a pooler.
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
        _run(connection)


_main()
