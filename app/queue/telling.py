"""Telling a user that a job of theirs has ended: a notification job for the app, and for each channel they have chosen."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Connection

from app.queue.adding import add_job


class Announce(Protocol):
    """Tells a user of an event, once for each key, on the channels they have chosen for it."""

    def __call__(
        self,
        conn: Connection,
        user_id: UUID,
        event_type: str,
        payload: dict[str, Any],
        *,
        correlation_id: str,
        key: str,
    ) -> object: ...


def tell(
    conn: Connection,
    user_id: UUID,
    event_type: str,
    payload: dict[str, Any],
    *,
    correlation_id: str,
    key: str,
    announce: Announce | None = None,
) -> None:
    """Queue the in-app notification of an event, once for each `key`, in the caller's transaction; `announce` adds the other channels.

    The idempotency key is the one `announce` gives its own job for that channel: nobody is told twice in the app.
    """
    metadata = {
        "userId": str(user_id),
        "channel": "in-app",
        "eventType": event_type,
        "payload": payload,
        "correlationId": correlation_id,
    }
    add_job(conn, "send_notification", user_id=user_id, metadata=metadata, dedup_key=f"announced-{key}-in-app")
    if announce is not None:
        announce(conn, user_id, event_type, payload, correlation_id=correlation_id, key=key)
