"""People, their work and what is made for them."""

from __future__ import annotations

from app.db.frozen_sql import run_sql

revision = "0002_people_and_work"
down_revision = "0001_roles"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(f"{revision}.up.sql")


def downgrade() -> None:
    run_sql(f"{revision}.down.sql")
