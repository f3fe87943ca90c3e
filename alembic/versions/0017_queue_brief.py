"""A brief is queued in one statement."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0017_queue_brief"
down_revision = "0016_presence"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
