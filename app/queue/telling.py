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


def announce_on(
    conn: Connection,
    channel: str,
    user_id: UUID,
    event_type: str,
    payload: dict[str, Any],
    *,
    correlation_id: str,
    key: str,
) -> None:
    """Queue the notification of an event on one channel, once for each `key` and channel, in the caller's transaction."""
    metadata = {
        "userId": str(user_id),
        "channel": channel,
        "eventType": event_type,
        "payload": payload,
        "correlationId": correlation_id,
    }
    add_job(conn, "send_notification", user_id=user_id, metadata=metadata, dedup_key=f"announced-{key}-{channel}")


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

    It queues by the same `announce_on`: nobody is told twice in the app.
    """
    announce_on(conn, "in-app", user_id, event_type, payload, correlation_id=correlation_id, key=key)
    if announce is not None:
        announce(conn, user_id, event_type, payload, correlation_id=correlation_id, key=key)
