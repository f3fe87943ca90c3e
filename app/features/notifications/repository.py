"""The SQL of notifications. Functions take a connection and say nothing about transactions: that is the caller's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from app.features.notifications.rules import Content, Phone, Preferences
from app.ports.push import Subscription


@dataclass(frozen=True, slots=True)
class Person:
    """Whom it is told, and what they have chosen."""

    email: str
    timezone: str
    preferences: Preferences
    phone: Phone
    brief_by_email: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of `notification_deliveries`. `origin_id` is the same for a job and those that retry it by hand."""

    id: UUID
    origin_id: UUID
    status: str
    reason: str | None
    sent_by: str | None


def find_person(conn: Connection, user_id: UUID) -> Person | None:
    """The user with preferences, defaults where nothing was chosen."""
    row = conn.execute(
        text("""
            select u.email, u.timezone, p.user_id is not null as chosen, p.push_enabled, p.email_enabled, p.in_app_enabled,
                   p.sms_enabled, p.do_not_disturb, p.quiet_hours_start, p.quiet_hours_end, p.event_channels,
                   s.phone_number, coalesce(s.phone_verified, false) as phone_verified, coalesce(s.opted_out, false) as opted_out,
                   coalesce(b.is_active and b.email_enabled, false) as brief_by_email
            from users u
            left join user_notification_preferences p on p.user_id = u.id
            left join user_sms_preferences s on s.user_id = u.id
            left join user_brief_preferences b on b.user_id = u.id
            where u.id = :id
        """),
        {"id": user_id},
    ).one_or_none()
    if row is None:
        return None
    chosen = Preferences(
        row.push_enabled,
        row.email_enabled,
        row.in_app_enabled,
        row.sms_enabled,
        row.do_not_disturb,
        row.quiet_hours_start,
        row.quiet_hours_end,
        row.event_channels,
    )
    phone = Phone(row.phone_number, row.phone_verified, row.opted_out)
    return Person(row.email, row.timezone, chosen if row.chosen else Preferences(), phone, row.brief_by_email)


def channels_chosen(conn: Connection, user_id: UUID, event_type: str) -> list[str]:
    """The channels that a user has listed for an event type; none where it is not listed."""
    listed = conn.execute(
        text("select event_channels -> :event_type from user_notification_preferences where user_id = :user_id"),
        {"user_id": user_id, "event_type": event_type},
    ).scalar_one_or_none()
    return list(listed) if isinstance(listed, list) else []


def open_delivery(
    conn: Connection,
    user_id: UUID,
    job_id: UUID,
    retried_from: UUID | None,
    *,
    channel: str | None,
    event_type: str | None,
    correlation_id: str | None,
) -> Delivery:
    """The delivery of a job, made where it is missing. One that retries another goes on with what that one recorded."""
    row = conn.execute(
        text("""
            insert into notification_deliveries
                (id, user_id, queue_job_id, origin_id, channel, event_type, correlation_id, reason, attempts)
            select d.id, :user_id, :job_id, coalesce(
                       (select origin_id from notification_deliveries where queue_job_id = cast(:old as uuid) and user_id = :user_id), d.id),
                   :channel, :event_type, :correlation_id, 'not finished', 1
            from (select gen_random_uuid() as id) d
            on conflict (queue_job_id) do update set attempts = notification_deliveries.attempts + 1
            returning id, origin_id, status, reason, sent_by
        """),
        {
            "user_id": user_id,
            "job_id": job_id,
            "old": retried_from,
            "channel": channel,
            "event_type": event_type,
            "correlation_id": correlation_id,
        },
    ).one()
    return Delivery(*row)


def close_delivery(
    conn: Connection, delivery_id: UUID, status: str, reason: str | None, sent_by: str | None, now: datetime
) -> None:
    """What became of a delivery."""
    conn.execute(
        text("""
            update notification_deliveries
            set status = :status, reason = :reason, sent_by = :sent_by,
                sent_at = case when :status = 'sent' then cast(:now as timestamptz) end
            where id = :id
        """),
        {"id": delivery_id, "status": status, "reason": reason, "sent_by": sent_by, "now": now},
    )


def fail_delivery(
    conn: Connection,
    user_id: UUID,
    job_id: UUID,
    *,
    channel: str | None,
    event_type: str | None,
    correlation_id: str | None,
    reason: str,
) -> None:
    """Note a failed run; what was sent or skipped stays so."""
    conn.execute(
        text("""
            insert into notification_deliveries (id, user_id, queue_job_id, origin_id, channel, event_type, correlation_id, reason, attempts)
            select d.id, :user_id, :job_id, d.id, :channel, :event_type, :correlation_id, :reason, 1
            from (select gen_random_uuid() as id) d
            on conflict (queue_job_id) do update set reason = excluded.reason where notification_deliveries.status = 'failed'
        """),
        {
            "user_id": user_id,
            "job_id": job_id,
            "channel": channel,
            "event_type": event_type,
            "correlation_id": correlation_id,
            "reason": reason,
        },
    )


def fail_carried(conn: Connection, user_id: UUID, delivery_id: UUID, reason: str) -> None:
    """The email or SMS that was to carry a delivery has failed for good."""
    conn.execute(
        text("""
            update notification_deliveries set status = 'failed', reason = :reason, sent_at = null
            where id = :id and user_id = :user_id and status = 'sent' and sent_by in ('email', 'sms')
        """),
        {"id": delivery_id, "user_id": user_id, "reason": reason},
    )


def add_notification(
    conn: Connection,
    user_id: UUID,
    origin_id: UUID,
    event_type: str,
    said: Content,
    payload: dict[str, Any],
    correlation_id: str,
) -> Any | None:
    """(id, created_at) of what the user sees in the app; None where it, or the same news of the same flow, was there already."""
    return conn.execute(
        text("""
            insert into notifications (user_id, origin_id, event_type, title, body, url, payload, correlation_id)
            values (:user_id, :origin_id, :event_type, :title, :body, :url, cast(:payload as jsonb), :correlation_id)
            on conflict do nothing
            returning id, created_at
        """),
        {
            "user_id": user_id,
            "origin_id": origin_id,
            "event_type": event_type,
            "title": said.title,
            "body": said.body,
            "url": said.url,
            "payload": json.dumps(payload),
            "correlation_id": correlation_id,
        },
    ).one_or_none()


def subscriptions(conn: Connection, user_id: UUID, limit: int) -> list[Subscription]:
    """A user's browsers, those heard of last first."""
    rows = conn.execute(
        text("""
            select id, endpoint, p256dh, auth from push_subscriptions
            where user_id = :user_id order by updated_at desc, id limit :limit
        """),
        {"user_id": user_id, "limit": limit},
    )
    return [Subscription(*row) for row in rows]


def begin_push(conn: Connection, user_id: UUID, origin_id: UUID, subscription_id: UUID) -> str:
    """Note that a push is about to be tried. Returns `started`, or the state in which an earlier try has left it for good.

    A try whose end nobody wrote down may have gone: `unknown`.
    """
    return conn.execute(
        text("""
            insert into notification_pushes as p (user_id, origin_id, subscription_id) values (:user_id, :origin_id, :subscription_id)
            on conflict (origin_id, subscription_id) do update
            set status = case p.status when 'sent' then 'sent' when 'handing_over' then 'unknown' when 'unknown' then 'unknown'
                                       else 'started' end,
                attempts = p.attempts + case when p.status in ('sent', 'handing_over', 'unknown') then 0 else 1 end
            returning status
        """),
        {"user_id": user_id, "origin_id": origin_id, "subscription_id": subscription_id},
    ).scalar_one()


def mark_handing_over(conn: Connection, origin_id: UUID, subscription_id: UUID) -> bool:
    """From here on the push may have gone. False, and nothing changed, when another run was faster."""
    done = conn.execute(
        text("""
            update notification_pushes set status = 'handing_over'
            where origin_id = :origin_id and subscription_id = :subscription_id and status = 'started'
        """),
        {"origin_id": origin_id, "subscription_id": subscription_id},
    )
    return done.rowcount == 1


def end_push(
    conn: Connection, origin_id: UUID, subscription_id: UUID, status: str, error: str | None, now: datetime
) -> None:
    """What became of a push. A subscription that is gone is removed; what was sent stays sent."""
    values = {"origin_id": origin_id, "id": subscription_id, "status": status, "error": error, "now": now}
    conn.execute(
        text("""
            update notification_pushes set status = :status, error = :error
            where origin_id = :origin_id and subscription_id = :id and status <> 'sent'
        """),
        values,
    )
    if status == "gone":
        conn.execute(text("delete from push_subscriptions where id = :id"), values)
    if status == "sent":
        conn.execute(text("update push_subscriptions set last_sent_at = :now where id = :id"), values)


def push_outcomes(conn: Connection, origin_id: UUID) -> list[str]:
    """How every push of a delivery stands."""
    return list(
        conn.execute(
            text("select status from notification_pushes where origin_id = :id order by created_at"), {"id": origin_id}
        ).scalars()
    )
