"""A job keeps the trace it belongs to, so that its run is found from the request that added it."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0023_traces"
down_revision = "0022_turns"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
