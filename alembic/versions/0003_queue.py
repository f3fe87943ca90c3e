"""The queue: jobs, history, functions, policies."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0003_queue"
down_revision = "0002_people_and_work"
branch_labels = None
depends_on = None

PARTS = ("1_tables", "2_guards", "3_adding", "4_dispatching", "5_running", "6_steering", "7_access")


def upgrade() -> None:
    for part in PARTS:
        run_sql(f"{revision}/{part}.sql")


def downgrade() -> None:
    run_sql(f"{revision}/down.sql")
