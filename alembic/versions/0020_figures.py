"""What an operator looks at: figures over time, failures, the latest mail; and a worker can be drained."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0020_figures"
down_revision = "0019_metrics"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
