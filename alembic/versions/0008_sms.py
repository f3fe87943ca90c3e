"""Text messages: reminders that follow their events, every copy that was sent, counts."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0008_sms"
down_revision = "0007_notifications"
branch_labels = None
depends_on = None

PARTS = ("1_tables", "2_reminders", "3_access")


def upgrade() -> None:
    for part in PARTS:
        run_sql(f"{revision}/{part}.sql")


def downgrade() -> None:
    run_sql(f"{revision}/down.sql")
