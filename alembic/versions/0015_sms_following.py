"""A change of an event waits for nobody: what it cannot follow at once is planned again."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0015_sms_following"
down_revision = "0014_upkeep"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
