"""Notifications: the same news is shown once, and open pages hear of what was read."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0010_notifications_once"
down_revision = "0009_brain_dumps"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
