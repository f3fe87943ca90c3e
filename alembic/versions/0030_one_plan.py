"""The statements of every job keep one plan, and look only where something is."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0030_one_plan"
down_revision = "0029_room_for_others"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
