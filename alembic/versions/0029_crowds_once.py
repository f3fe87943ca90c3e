"""Crowds are looked for once, whatever the plan."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0029_crowds_once"
down_revision = "0028_failed_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
