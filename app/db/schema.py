"""Whether the database is as new as this program needs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, text

VERSIONS = Path(__file__).parents[2] / "alembic" / "versions"


def known_versions() -> list[str]:
    """The versions of the schema that this release brings, oldest first; none where it is installed without its migrations."""
    return sorted(path.stem for path in VERSIONS.glob("[0-9]*.py"))


def version_behind(conn: Connection, known: Sequence[str]) -> str | None:
    """The database's version, where it is an older one than the last of `known`; None where it is that, or one of a later release."""
    there = conn.execute(text("select to_regclass('alembic_version')")).scalar_one()
    version = conn.execute(text("select min(version_num) from alembic_version")).scalar_one() if there else None
    if version is None:
        return "none" if known else None
    return version if version in known[:-1] else None
