"""What a cancelled job was to send ends with it, and a user is deleted together with jobs that have not ended."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0028_settled"
down_revision = "0027_failed_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
