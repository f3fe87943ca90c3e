"""What is done with the service key is written down, and stays."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0025_audit_log"
down_revision = "0024_users_requests"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
