"""What a user sees in the app: the list, and what of it is read (CONTRACT 5)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from app.queue.reads import InvalidCursor, api_value, iso

_ROW = ("id", "user_id", "event_type", "title", "body", "url", "correlation_id", "read_at", "created_at")
_ROWS = text("select " + ", ".join(_ROW) + " from notifications where id = any(:ids)")
_COLUMNS = "id, event_type, title, body, url, correlation_id, read_at, created_at"


def list_notifications(
    conn: Connection, user_id: UUID, *, limit: int, cursor: str | None = None, unread: bool = False
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of a user's notifications, newest first, and the cursor of the next page or None. Raises InvalidCursor."""
    at, last = _read_cursor(cursor)
    rows = conn.execute(
        text(f"""
            select {_COLUMNS} from notifications
            where user_id = :user_id and (not :unread or read_at is null)
              and (cast(:at as timestamptz) is null or (created_at, id) < (cast(:at as timestamptz), cast(:id as uuid)))
            order by created_at desc, id desc limit :limit
        """),
        {"user_id": user_id, "unread": unread, "at": at, "id": last, "limit": limit + 1},
    ).all()
    page = rows[:limit]
    following = _write_cursor(page[-1].created_at, page[-1].id) if len(rows) > limit else None
    return [_as_json(row) for row in page], following


def count_unread(conn: Connection, user_id: UUID) -> int:
    """How many the user has not read."""
    return conn.execute(
        text("select count(*) from notifications where user_id = :user_id and read_at is null"), {"user_id": user_id}
    ).scalar_one()


def mark_read(conn: Connection, user_id: UUID, notification_id: UUID, now: datetime) -> datetime | None:
    """When the user has read it: now, or before; None where there is no such notification of theirs."""
    return conn.execute(
        text("""
            update notifications set read_at = coalesce(read_at, :now) where id = :id and user_id = :user_id
            returning read_at
        """),
        {"id": notification_id, "user_id": user_id, "now": now},
    ).scalar_one_or_none()


def notifications_by_id(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Rows as open pages hear of their changes, by id; those that exist."""
    rows = conn.execute(_ROWS, {"ids": list(ids)}).mappings()
    return {row["id"]: {name: api_value(value) for name, value in row.items()} for row in rows}


def _as_json(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "eventType": row.event_type,
        "title": row.title,
        "body": row.body,
        "url": row.url,
        "createdAt": iso(row.created_at),
        "correlationId": row.correlation_id,
        "readAt": iso(row.read_at) if row.read_at else None,
    }


def _write_cursor(at: datetime, last: UUID) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), str(last)]).encode()).decode()


def _read_cursor(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    if cursor is None:
        return None, None
    try:
        at, last = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError
        return moment, UUID(last)
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError):
        raise InvalidCursor("not a cursor of this list") from None
