"""Reading text messages, as Socket.IO shows them (CONTRACT 6, 9)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

COLUMNS = (
    "id", "user_id", "queue_job_id", "phone_number", "message_content", "status", "reason", "scheduled_for", "calendar_event_id",
    "event_starts_at", "twilio_sid", "twilio_status", "error_code", "sent_at", "delivered_at", "attempt_count", "max_attempts",
    "created_at", "updated_at",
)  # fmt: skip
_SELECT = "select " + ", ".join(COLUMNS) + " from sms_messages"


def messages_by_id(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The messages of these ids as JSON, by id; times in UTC with `Z`."""
    rows = conn.execute(text(f"{_SELECT} where id = any(cast(:ids as uuid[]))"), {"ids": list(ids)}).mappings()
    return {row["id"]: {name: _shown(row[name]) for name in COLUMNS} for row in rows}


def messages_between(conn: Connection, user_id: UUID, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """A user's messages that were or are to be sent from `since` (aware, included) to `until` (not), in that order."""
    rows = conn.execute(
        text(
            f"{_SELECT} where user_id = :user_id and coalesce(scheduled_for, sent_at, created_at) >= :since "
            "and coalesce(scheduled_for, sent_at, created_at) < :until order by coalesce(scheduled_for, sent_at, created_at), id"
        ),
        {"user_id": user_id, "since": since, "until": until},
    ).mappings()
    return [{name: _shown(row[name]) for name in COLUMNS} for row in rows]


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value


def owns_message(conn: Connection, user_id: UUID, message_id: UUID) -> bool:
    """Whether there is such a message, and it is that user's."""
    asked = {"id": message_id, "user_id": user_id}
    return (
        conn.execute(text("select 1 from sms_messages where id = :id and user_id = :user_id"), asked).first()
        is not None
    )
