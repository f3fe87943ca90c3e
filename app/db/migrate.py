"""Migrations from inside the program: what `buildos migrate` and the tests run."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

ROOT = Path(__file__).parents[2]


def _config() -> Config:
    return Config(str(ROOT / "alembic.ini"))


def upgrade(revision: str = "head") -> None:
    """Bring DATABASE_URL to `revision`. Raises sqlalchemy.exc.DBAPIError when the database refuses."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    command.upgrade(_config(), revision)


def downgrade(revision: str = "base") -> None:
    """Take DATABASE_URL back to `revision`."""
    command.downgrade(_config(), revision)


def head_revision() -> str | None:
    """The newest revision there is."""
    return ScriptDirectory.from_config(_config()).get_current_head()
