"""Browsers hear of text messages; preferences that come back plan the day again."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0013_sms_shown"
down_revision = "0012_task_events"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
