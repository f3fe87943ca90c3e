"""How many are connected to the database, whoever they are."""

from __future__ import annotations

from sqlalchemy import Connection, text


def count_connections(conn: Connection) -> int:
    """Clients of this database at the moment, this one included."""
    query = "select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend'"
    return conn.execute(text(query)).scalar_one()
