"""Brain dumps, and what is noted when a running job is cancelled."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0009_brain_dumps"
down_revision = "0008_sms"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
