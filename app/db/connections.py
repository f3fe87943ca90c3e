"""How many are connected to the database, whoever they are, and how many may be."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, text


class Connections(NamedTuple):
    """Clients of this database at the moment, the asking one included, and how many the whole server takes of anybody but superusers."""

    open: int
    allowed: int


def count_connections(conn: Connection) -> Connections:
    """Both figures, of this moment."""
    return Connections(*conn.execute(_COUNT).one())


_COUNT = text(
    "select count(*), current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int "
    "from pg_stat_activity where datname = current_database() and backend_type = 'client backend'"
)
