"""Connected calendars: feeds, Google, tasks in the calendar."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0006_calendar"
down_revision = "0005_email"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
