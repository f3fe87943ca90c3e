"""Times and counts for Prometheus are kept where the jobs are, so that they are the same from every process and survive each."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0019_metrics"
down_revision = "0018_job_types"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
