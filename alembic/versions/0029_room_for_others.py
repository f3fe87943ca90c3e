"""A crowd of one type of job makes room for others with jobs of any type, and the share agrees with its setting."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0029_room_for_others"
down_revision = "0028_settled"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
