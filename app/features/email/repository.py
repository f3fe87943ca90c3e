"""The SQL of mail. Functions take a connection and say nothing about transactions: that is the caller's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from app.features.email.render import Content


@dataclass(frozen=True, slots=True)
class Email:
    """A row of `emails`."""

    id: UUID
    user_id: UUID
    daily_brief_id: UUID | None
    subject: str
    status: str
    tracking_id: str
    template_data: dict[str, Any]
    message_id: str | None
    delivery_id: str | None


@dataclass(frozen=True, slots=True)
class Try:
    """A row of `email_logs`: one try to send."""

    id: UUID
    queue_job_id: UUID | None
    status: str
    message_id: str | None
    created_at: datetime


_EMAIL = "id, user_id, daily_brief_id, subject, status, tracking_id, template_data, message_id, delivery_id"


def lock_email(conn: Connection, email_id: UUID, user_id: UUID) -> Email | None:
    """The user's email, locked until the transaction ends."""
    row = conn.execute(
        text(f"select {_EMAIL} from emails where id = :id and user_id = :user_id for update"),
        {"id": email_id, "user_id": user_id},
    ).one_or_none()
    return Email(*row) if row else None


def email_of_job(conn: Connection, user_id: UUID, job_id: UUID, retried_from: UUID | None, subject: str) -> UUID:
    """The id of the email that belongs to a job, made where it is missing.

    A job that retries another takes over its email.
    """
    values = {"job_id": job_id, "old": retried_from, "user_id": user_id, "subject": subject}
    found = conn.execute(
        text("""
            update emails set queue_job_id = :job_id
            where id = (
                select id from emails where user_id = :user_id and (queue_job_id = :job_id or queue_job_id = cast(:old as uuid))
                order by (queue_job_id = :job_id) desc limit 1 for update
            )
            returning id
        """),
        values,
    ).scalar_one_or_none()
    return (
        found
        or conn.execute(
            text(
                "insert into emails (user_id, queue_job_id, subject) values (:user_id, :job_id, :subject) returning id"
            ),
            values,
        ).scalar_one()
    )


def find_brief(conn: Connection, brief_id: UUID, user_id: UUID) -> Any:
    """(generation_status, summary_content, brief_date) of the user's brief, or None."""
    return conn.execute(
        text(
            "select generation_status, summary_content, brief_date from daily_briefs where id = :id and user_id = :user_id"
        ),
        {"id": brief_id, "user_id": user_id},
    ).one_or_none()


def last_try(conn: Connection, email_id: UUID) -> Try | None:
    """The latest try to send an email."""
    row = conn.execute(
        text("""
            select id, queue_job_id, status, message_id, created_at from email_logs
            where email_id = :id order by created_at desc, id desc limit 1
        """),
        {"id": email_id},
    ).one_or_none()
    return Try(*row) if row else None


def sent_id(conn: Connection, email_id: UUID) -> str | None:
    """Under which id an email went."""
    return conn.execute(
        text("select message_id from email_logs where email_id = :id and status = 'sent' order by created_at limit 1"),
        {"id": email_id},
    ).scalar_one_or_none()


def prepare(conn: Connection, email: Email, to: str, content: Content, urls: list[str], message_id: str) -> None:
    """Store what is about to be sent, to whom, and where its links may lead."""
    values = {
        "id": email.id,
        "user_id": email.user_id,
        "subject": content.subject,
        "html": _storable(content.html),
        "text": _storable(content.text),
        "message_id": message_id,
        "to": to,
        "urls": urls,
    }
    conn.execute(
        text("""
            update emails
            set status = 'sending', subject = :subject, html_content = :html, text_content = :text, message_id = :message_id
            where id = :id
        """),
        values,
    )
    conn.execute(
        text("""
            insert into email_recipients (user_id, email_id, recipient_email) values (:user_id, :id, :to)
            on conflict (email_id, recipient_email) do update set status = 'pending', error = null
        """),
        values,
    )
    conn.execute(
        text("""
            insert into email_links (user_id, email_id, url) select :user_id, :id, url from unnest(cast(:urls as text[])) as url
            on conflict do nothing
        """),
        values,
    )


def begin_try(conn: Connection, email: Email, job_id: UUID, attempt: int, transport: str, message_id: str) -> UUID:
    """Note that a try begins; one whose end nobody wrote down is over, its outcome unknown. Returns its id."""
    conn.execute(
        text("update email_logs set status = 'unknown' where email_id = :id and status = 'handing_over'"),
        {"id": email.id},
    )
    return conn.execute(
        text("""
            insert into email_logs (user_id, email_id, queue_job_id, attempt, transport, message_id)
            values (:user_id, :id, :job_id, :attempt, :transport, :message_id) returning id
        """),
        {
            "user_id": email.user_id,
            "id": email.id,
            "job_id": job_id,
            "attempt": attempt,
            "transport": transport,
            "message_id": message_id,
        },
    ).scalar_one()


def mark_handing_over(conn: Connection, email: Email, try_id: UUID) -> bool:
    """From here on the mail may have gone.

    False, and nothing changed, when an earlier try turned out to have sent it.
    """
    done = conn.execute(
        text("""
            update email_logs set status = 'handing_over'
            where id = :try and exists (select from emails where id = :id and status = 'sending')
        """),
        {"try": try_id, "id": email.id},
    )
    return done.rowcount == 1


def drop_try(conn: Connection, try_id: UUID) -> None:
    """Forget a try that came to nothing and need not have begun."""
    conn.execute(text("delete from email_logs where id = :try and status = 'started'"), {"try": try_id})


def mark_sent(conn: Connection, email: Email, try_id: UUID, to: str, message_id: str, now: datetime) -> bool:
    """The mail has gone. True when this is news."""
    values = {"id": email.id, "try": try_id, "to": to, "message_id": message_id, "now": now}
    conn.execute(
        text("update email_logs set status = 'sent', message_id = :message_id, error = null where id = :try"), values
    )
    conn.execute(
        text("""
            update email_recipients set status = 'sent', error = null, sent_at = coalesce(sent_at, :now)
            where email_id = :id and recipient_email = :to
        """),
        values,
    )
    news = conn.execute(
        text("update emails set status = 'sent', sent_at = :now where id = :id and status <> 'sent' returning id"),
        values,
    )
    return news.first() is not None


def mark_not_sent(
    conn: Connection, email: Email, try_id: UUID, to: str, outcome: str, email_status: str, error: str
) -> None:
    """A try failed: `outcome` is the log's (failed, unknown), `email_status` the email's from here on.

    A sent mail stays sent.
    """
    values = {"id": email.id, "try": try_id, "to": to, "outcome": outcome, "status": email_status, "error": error}
    conn.execute(text("update email_logs set status = :outcome, error = :error where id = :try"), values)
    conn.execute(
        text("""
            update emails set status = :status
            where id = :id and status = 'sending' and not exists (
                select from email_logs later, email_logs this
                where this.id = :try and later.email_id = this.email_id and later.created_at > this.created_at
            )
        """),
        values,
    )
    conn.execute(
        text("""
            update email_recipients set status = case when :status = 'failed' then 'failed' else status end, error = :error
            where email_id = :id and recipient_email = :to and status <> 'sent'
        """),
        values,
    )


def mark_given_up(conn: Connection, user_id: UUID, job_id: UUID, email_id: UUID | None) -> None:
    """The job has failed for good: nobody will send its email any more, unless it is retried."""
    conn.execute(
        text("""
            update emails set status = 'failed'
            where user_id = :user_id and status in ('pending', 'sending') and (id = cast(:id as uuid) or queue_job_id = :job_id)
        """),
        {"user_id": user_id, "id": email_id, "job_id": job_id},
    )


def add_delivery(
    conn: Connection, user_id: UUID, delivery_id: str | None, subject: str, details: dict[str, Any]
) -> tuple[UUID, bool]:
    """The email of a delivery that was handed to us, and whether it is new. Without an id every delivery is new."""
    values = {"user_id": user_id, "delivery_id": delivery_id, "subject": subject, "details": json.dumps(details)}
    added = conn.execute(
        text("""
            insert into emails (user_id, delivery_id, subject, template_data)
            values (:user_id, :delivery_id, :subject, cast(:details as jsonb))
            on conflict (delivery_id) do nothing returning id
        """),
        values,
    ).scalar_one_or_none()
    if added:
        return added, True
    return conn.execute(text("select id from emails where delivery_id = :delivery_id"), values).scalar_one(), False


def use_signature(conn: Connection, signature: str, now: datetime, kept: timedelta) -> bool:
    """Use a webhook's signature up. False when it was used before."""
    conn.execute(text("delete from webhook_signatures where used_at < :before"), {"before": now - kept})
    return (
        conn.execute(
            text(
                "insert into webhook_signatures (signature, used_at) values (:signature, :now) on conflict do nothing returning 1"
            ),
            {"signature": signature, "now": now},
        ).first()
        is not None
    )


def _storable(value: str | None) -> str | None:
    return value and value.replace("\x00", "")
