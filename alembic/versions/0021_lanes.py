"""A lane for jobs of a user who has a crowd of them, and the indexes it needs, made while the queue is at work."""

from __future__ import annotations

from app.db.frozen_sql import run_concurrently, run_sql

revision = "0021_lanes"
down_revision = "0020_figures"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")
    run_concurrently(f"{revision}.indexes.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
