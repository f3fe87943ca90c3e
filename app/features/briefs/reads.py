"""Reading finished briefs, as HTTP and Socket.IO show them (CONTRACT 9)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

COLUMNS = (
    "id", "user_id", "brief_date", "timezone", "generation_status", "generation_error", "generation_started_at",
    "generation_completed_at", "summary_content", "project_briefs", "priority_actions", "llm_analysis", "llm_model",
    "created_at", "updated_at",
)  # fmt: skip
_SELECT = "select " + ", ".join(COLUMNS) + " from daily_briefs"


def list_briefs(conn: Connection, user_id: UUID, *, limit: int, before: date | None = None) -> list[dict[str, Any]]:
    """A user's briefs, latest date first, of dates before `before` where it is given."""
    rows = conn.execute(
        text(
            f"{_SELECT} where user_id = :user_id and brief_date < coalesce(cast(:before as date), 'infinity') "
            "order by brief_date desc limit :limit"
        ),
        {"user_id": user_id, "before": before, "limit": limit},
    )
    return [_as_api(row) for row in rows]


def find_brief(conn: Connection, user_id: UUID, brief_date: date) -> dict[str, Any] | None:
    """The brief of that user and date, or None."""
    row = conn.execute(
        text(f"{_SELECT} where user_id = :user_id and brief_date = :brief_date"),
        {"user_id": user_id, "brief_date": brief_date},
    ).first()
    return _as_api(row) if row else None


def briefs_by_id(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Those of the briefs that exist, by id."""
    rows = conn.execute(text(f"{_SELECT} where id = any(:ids)"), {"ids": list(ids)})
    return {row.id: _as_api(row) for row in rows}


def _as_api(row: Row) -> dict[str, Any]:
    return {name: as_json(value) for name, value in row._mapping.items()}


def as_json(value: Any) -> Any:
    """A column as JSON shows it: instants in UTC with `Z`, dates and ids as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date | UUID):
        return str(value)
    return value
