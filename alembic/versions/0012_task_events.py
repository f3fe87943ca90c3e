"""The event of a task follows it to the day."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0012_task_events"
down_revision = "0011_plans"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
