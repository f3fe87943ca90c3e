"""Types of job that come from outside, registered by whoever brings them."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0018_job_types"
down_revision = "0017_queue_brief"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
