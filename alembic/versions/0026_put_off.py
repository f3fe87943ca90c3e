"""A job may be put off, uncharged, by the run that finds it cannot be now."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0026_put_off"
down_revision = "0025_audit_log"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
