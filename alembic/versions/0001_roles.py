"""Roles and auth functions, where they are missing."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0001_roles"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
