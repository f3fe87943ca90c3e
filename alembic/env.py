"""Runs the migrations, each version in a transaction of its own.

An advisory lock of the session keeps two deploys from migrating at once; so the address is the
direct one, never a transaction pooler's.

A migration that waits for a table's lock makes everybody wait behind it. So it waits MIGRATION_LOCK_TIMEOUT, lets go of
everything, and tries again; after MIGRATION_TRIES it gives up: the versions before it stay, of its own nothing does.
"""

from __future__ import annotations

import logging
import time

import psycopg
from alembic import context
from sqlalchemy import Connection, create_engine, pool, text
from sqlalchemy.exc import OperationalError

from app.settings import get_settings, sqlalchemy_url
from app.settings_files import SettingsError

log = logging.getLogger("alembic.env")

MIGRATION_LOCK = 6_003_212_111  # any fixed number; the same for every release
OTHERS = 900.0  # seconds another deploy may migrate while this one waits for it
LOCK_NOT_AVAILABLE = "55P03"


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=None,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _in_turns(connection: Connection, tries: int) -> None:
    for left in reversed(range(tries)):
        try:
            return _run(connection)
        except (OperationalError, psycopg.OperationalError) as error:
            connection.rollback()
            if not left or getattr(getattr(error, "orig", error), "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            pause = 2 ** (tries - left - 1)
            log.warning("the migration waited too long for a lock, it tries again in %d s", pause)
            time.sleep(pause)


def _main() -> None:
    settings = get_settings()
    engine = create_engine(sqlalchemy_url(settings.listen_url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        _wait_for_others(connection)
        connection.execute(text("select set_config('lock_timeout', :most, false)"), {"most": f"{settings.migration_lock_timeout}s"})
        connection.commit()
        _in_turns(connection, settings.migration_tries)


def _wait_for_others(connection: Connection) -> None:
    """Take the lock, asking for it again and again: whoever waited in a transaction would keep `create index concurrently` waiting."""
    until = time.monotonic() + OTHERS
    while not connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": MIGRATION_LOCK}).scalar_one():
        connection.commit()
        if time.monotonic() > until:
            raise SystemExit(f"another deploy has been migrating for {OTHERS / 60:.0f} minutes")
        time.sleep(0.2)


try:
    _main()
except (OperationalError, psycopg.OperationalError, SettingsError) as error:
    if context.config.cmd_opts is None:
        raise  # inside the program, which has its own words for it
    said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    raise SystemExit(f"alembic: {said}") from None
