"""Lanes stay few, however many users have thousands of jobs."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0027_few_lanes"
down_revision = "0026_put_off"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
