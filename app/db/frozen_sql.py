"""Runs the SQL a migration carries, exactly as it was written."""

from __future__ import annotations

from pathlib import Path

from alembic import op

SQL_FOLDER = Path(__file__).parents[2] / "alembic" / "sql"


def run_sql(name: str) -> None:
    """Execute `alembic/sql/<name>` in the migration's transaction. Raises psycopg.Error as it comes.

    The driver's own cursor, without parameters: the file may hold many statements, colons and percent signs.
    """
    op.get_bind().connection.driver_connection.execute((SQL_FOLDER / name).read_text(encoding="utf-8"))


def run_concurrently(name: str) -> None:
    """Execute `alembic/sql/<name>` one statement after the other outside a transaction, as `create index concurrently` asks for.

    What came before in the migration is committed first. Each statement stands alone on its lines, ended by a semicolon, and can be
    run again: a try that failed half-way is repeated from the start.
    """
    text = (SQL_FOLDER / name).read_text(encoding="utf-8")
    with op.get_context().autocommit_block():
        connection = op.get_bind().connection.driver_connection
        for statement in text.split(";\n"):
            if statement.strip():
                connection.execute(statement)
