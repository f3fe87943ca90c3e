"""Emails: recipients, links, sends, tracking."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0005_email"
down_revision = "0004_schedules"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
