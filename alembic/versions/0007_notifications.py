"""Notifications: preferences, browsers that take pushes, what was shown, what became of each."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0007_notifications"
down_revision = "0006_calendar"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
