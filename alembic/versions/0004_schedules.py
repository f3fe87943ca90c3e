"""The schedules: local time, the ticks of briefs and reminders, changes that take effect at once."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0004_schedules"
down_revision = "0003_queue"
branch_labels = None
depends_on = None

PARTS = ("1_local_time", "2_ticks", "3_briefs", "4_sms", "5_changes", "6_access")


def upgrade() -> None:
    for part in PARTS:
        run_sql(f"{revision}/{part}.sql")


def downgrade() -> None:
    run_sql(f"{revision}/down.sql")
