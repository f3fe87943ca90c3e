"""Turns among users, and limits of how many jobs run at once and begin in a minute."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0022_turns"
down_revision = "0021_lanes"
branch_labels = None
depends_on = None

PARTS = ("1_turns", "2_handing_out", "3_crowds")


def upgrade() -> None:
    for part in PARTS:
        run_sql(f"{revision}/{part}.sql")


def downgrade() -> None:
    run_sql(f"{revision}/down.sql")
