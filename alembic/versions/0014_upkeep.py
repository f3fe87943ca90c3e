"""Upkeep: the archive of jobs, the instances of recurring tasks, the daily schedules."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0014_upkeep"
down_revision = "0013_sms_shown"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
