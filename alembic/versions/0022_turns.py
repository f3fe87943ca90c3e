"""Turns among users, and limits of how many jobs run at once and begin in a minute."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0022_turns"
down_revision = "0021_lanes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
