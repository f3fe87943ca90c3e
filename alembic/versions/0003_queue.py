"""The queue: jobs, history, functions, policies."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0003_queue"
down_revision = "0002_people_and_work"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
