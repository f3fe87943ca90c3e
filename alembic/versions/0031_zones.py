"""Whole-day tasks keep their day when their user moves to another zone, and no schedule runs at an infinite instant."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0031_zones"
down_revision = "0030_one_plan"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
