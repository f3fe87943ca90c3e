"""Browsers that take pushes: their subscriptions (CONTRACT 5)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from app.features.notifications.rules import MOST_SUBSCRIPTIONS


def subscribe(
    conn: Connection,
    user_id: UUID,
    *,
    endpoint: str,
    p256dh: str,
    auth: str,
    user_agent: str | None,
    expires_at: datetime | None,
) -> tuple[UUID, bool]:
    """Keep a browser's subscription. Returns its id, and whether it is new.

    The same endpoint again replaces its keys, and belongs to whoever uses that browser now. Of more than a user's ten, the
    one heard of longest ago gives way.
    """
    row = conn.execute(
        text("""
            insert into push_subscriptions as s (user_id, endpoint, p256dh, auth, user_agent, expires_at)
            values (:user_id, :endpoint, :p256dh, :auth, :user_agent, :expires_at)
            on conflict (endpoint) do update
            set user_id = excluded.user_id, p256dh = excluded.p256dh, auth = excluded.auth,
                user_agent = excluded.user_agent, expires_at = excluded.expires_at
            returning id, xmax = 0 as added
        """),
        {
            "user_id": user_id,
            "endpoint": endpoint,
            "p256dh": p256dh,
            "auth": auth,
            "user_agent": user_agent,
            "expires_at": expires_at,
        },
    ).one()
    conn.execute(
        text("""
            delete from push_subscriptions where id in (
                select id from push_subscriptions where user_id = :user_id order by id = :id desc, updated_at desc, id offset :most
            )
        """),
        {"user_id": user_id, "id": row.id, "most": MOST_SUBSCRIPTIONS},
    )
    return row.id, row.added


def unsubscribe(conn: Connection, user_id: UUID, endpoint: str) -> bool:
    """Forget a browser's subscription. False when the user has none of that endpoint."""
    done = conn.execute(
        text("delete from push_subscriptions where user_id = :user_id and endpoint = :endpoint"),
        {"user_id": user_id, "endpoint": endpoint},
    )
    return done.rowcount == 1
