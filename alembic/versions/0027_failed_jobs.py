"""The jobs that failed or were cancelled are found however much went well meanwhile."""

from __future__ import annotations

from app.db.frozen_sql import run_concurrently, run_sql

revision = "0027_failed_jobs"
down_revision = "0026_put_off"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_concurrently(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
