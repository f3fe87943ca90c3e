"""Plans: phases of projects, analyses of new users."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0011_plans"
down_revision = "0010_notifications_once"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
