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
