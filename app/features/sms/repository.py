"""The SQL of sending text messages. Functions take a connection and say nothing about transactions: that is the caller's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, Row, text

from app.features.sms.models import Copy, Event, Message, Wishes

LOCK_PATIENCE = "200ms"  # shorter than Postgres takes to call a wait a deadlock

_MESSAGE = (
    "id, user_id, queue_job_id, phone_number, message_content, status, reason, scheduled_for, calendar_event_id, event_starts_at, "
    "lead_minutes, twilio_sid, twilio_status, attempt_count, max_attempts, urgent"
)
_COPY = "id, message_id, queue_job_id, status, twilio_sid, handed_over_at"
_WISHES = """
    select p.user_id, p.phone_number, p.phone_verified, p.opted_out, p.event_reminders_enabled, p.event_reminder_lead_time_minutes,
           p.daily_sms_limit, p.quiet_hours_start, p.quiet_hours_end, p.urgent_alerts, time_zone_or_utc(u.timezone) as zone
    from user_sms_preferences p join users u on u.id = p.user_id where p.user_id = :user_id
"""


def hold_wishes(conn: Connection, user_id: UUID) -> Wishes | None:
    """What a user wants, held until the transaction ends: one at a time plans, moves or sends a user's messages.

    Raises OperationalError (lock_not_available) when somebody else holds it for longer than LOCK_PATIENCE.
    """
    conn.execute(text("select set_config('lock_timeout', :patience, true)"), {"patience": LOCK_PATIENCE})
    return _wishes(conn.execute(text(f"{_WISHES} for update of p"), {"user_id": user_id}).one_or_none())


def find_event(conn: Connection, user_id: UUID, event_id: UUID) -> Event | None:
    """The user's event of that id."""
    row = conn.execute(
        text("""
            select id, title, location, start_time, all_day, status from calendar_events
            where id = :id and user_id = :user_id
        """),
        {"id": event_id, "user_id": user_id},
    ).one_or_none()
    return Event(*row) if row else None


def lock_message(conn: Connection, message_id: UUID, user_id: UUID | None = None) -> Message | None:
    """A message (of that user, where one is given), locked until the transaction ends."""
    row = conn.execute(
        text(
            f"select {_MESSAGE} from sms_messages where id = :id and user_id = coalesce(cast(:user_id as uuid), user_id) for update"
        ),
        {"id": message_id, "user_id": user_id},
    ).one_or_none()
    return Message(*row) if row else None


def move_reminder(conn: Connection, message: Message, start: datetime) -> bool:
    """Make a message the reminder of its event at another start. False where there is one already: that one will say it."""
    done = conn.execute(
        text("""
            update sms_messages set event_starts_at = :start
            where id = :id and not exists (
                select from sms_messages o
                where o.calendar_event_id = :event_id and o.event_starts_at = :start and o.id <> :id
            )
        """),
        {"id": message.id, "event_id": message.event_id, "start": start},
    )
    return done.rowcount == 1


def message_of_job(conn: Connection, user_id: UUID, job_id: UUID, retried_from: UUID | None) -> UUID | None:
    """The id of the message that a job is to send; a job that retries another takes over its message."""
    return conn.execute(
        text("""
            select id from sms_messages
            where user_id = :user_id and (queue_job_id = :job_id or queue_job_id = cast(:old as uuid))
            order by (queue_job_id = :job_id) desc limit 1
        """),
        {"user_id": user_id, "job_id": job_id, "old": retried_from},
    ).scalar_one_or_none()


def add_message(
    conn: Connection, user_id: UUID, job_id: UUID, phone_number: str, words: str, *, event_id: UUID | None, urgent: bool
) -> UUID:
    """A message that a job brought along. Returns its id."""
    return conn.execute(
        text("""
            insert into sms_messages (user_id, queue_job_id, phone_number, message_content, calendar_event_id, urgent)
            values (:user_id, :job_id, :phone, :words, :event_id, :urgent) returning id
        """),
        {
            "user_id": user_id,
            "job_id": job_id,
            "phone": phone_number,
            "words": words,
            "event_id": event_id,
            "urgent": urgent,
        },
    ).scalar_one()


def set_status(
    conn: Connection,
    message_id: UUID,
    status: str,
    reason: str | None,
    *,
    scheduled_for: datetime | None = None,
    job_id: UUID | None = None,
) -> None:
    """Where a message stands, and why; with the time and the job of the next copy where there is one."""
    conn.execute(
        text("""
            update sms_messages
            set status = :status, reason = :reason, scheduled_for = coalesce(cast(:at as timestamptz), scheduled_for),
                queue_job_id = coalesce(cast(:job_id as uuid), queue_job_id)
            where id = :id
        """),
        {"id": message_id, "status": status, "reason": reason, "at": scheduled_for, "job_id": job_id},
    )


def sent_since(conn: Connection, user_id: UUID, since: datetime, until: datetime, but: UUID) -> int:
    """How many messages of a user have gone, or may have, between two instants, other than `but`."""
    return conn.execute(
        text("""
            select count(distinct message_id) from sms_delivery
            where user_id = :user_id and handed_over_at >= :since and handed_over_at < :until and status <> 'failed' and message_id <> :but
        """),
        {"user_id": user_id, "since": since, "until": until, "but": but},
    ).scalar_one()


def last_copy(conn: Connection, message_id: UUID) -> Copy | None:
    """The latest copy of a message."""
    row = conn.execute(
        text(f"select {_COPY} from sms_delivery where message_id = :id order by created_at desc, id desc limit 1"),
        {"id": message_id},
    ).one_or_none()
    return Copy(*row) if row else None


def begin_copy(
    conn: Connection,
    message: Message,
    job_id: UUID,
    attempt: int,
    transport: str,
    phone_number: str,
    words: str,
    now: datetime,
) -> UUID:
    """Note that a copy is handed over: from here on it may have gone. Returns its id. One before, of unknown end, stays unknown."""
    values = {
        "id": message.id,
        "user_id": message.user_id,
        "job_id": job_id,
        "attempt": attempt,
        "transport": transport,
        "phone": phone_number,
        "words": words,
        "now": now,
    }
    conn.execute(
        text("update sms_delivery set status = 'unknown' where message_id = :id and status = 'handing_over'"), values
    )
    conn.execute(
        text("""
            update sms_messages
            set status = 'sending', reason = null, queue_job_id = :job_id, phone_number = :phone, message_content = :words
            where id = :id
        """),
        values,
    )
    return conn.execute(
        text("""
            insert into sms_delivery (user_id, message_id, queue_job_id, attempt, transport, handed_over_at)
            values (:user_id, :id, :job_id, :attempt, :transport, :now) returning id
        """),
        values,
    ).scalar_one()


def mark_taken(conn: Connection, copy_id: UUID, sid: str, now: datetime) -> bool:
    """The provider has a copy: it has gone. True when this is news; the message is then sent, and has one copy more."""
    values = {"copy": copy_id, "sid": sid, "now": now}
    _lock_message_of(conn, copy_id)
    news = conn.execute(
        text("""
            update sms_delivery set status = 'sent', twilio_sid = :sid, error = null
            where id = :copy and status <> 'sent' returning message_id, user_id
        """),
        values,
    ).one_or_none()
    if news is None:
        return False
    values["id"] = news.message_id
    conn.execute(
        text("""
            update sms_messages set attempt_count = attempt_count + 1, sent_at = coalesce(sent_at, :now) where id = :id
        """),
        values,
    )
    # What is heard of an older copy says nothing about the latest one.
    conn.execute(
        text("""
            update sms_messages
            set status = 'sent', reason = null, twilio_sid = :sid, twilio_status = null, error_code = null
            where id = :id and not exists (
                select from sms_delivery later, sms_delivery this
                where this.id = :copy and later.message_id = this.message_id and later.created_at > this.created_at
            )
        """),
        values,
    )
    conn.execute(
        text("""
            insert into activity_log (user_id, activity, details)
            values (:user_id, 'sms_sent', jsonb_build_object('messageId', cast(:id as text), 'messageSid', cast(:sid as text)))
        """),
        {"user_id": news.user_id, "id": str(news.message_id), "sid": sid},
    )
    return True


def mark_not_taken(conn: Connection, copy_id: UUID, outcome: str, status: str, error: str, code: str | None) -> None:
    """A copy failed: `outcome` is its own (failed, unknown), `status` the message's from here on. What has gone stays gone."""
    values = {"copy": copy_id, "outcome": outcome, "status": status, "error": error, "code": code}
    _lock_message_of(conn, copy_id)
    conn.execute(
        text("""
            with copy as (
                update sms_delivery set status = :outcome, error = :error, error_code = :code
                where id = :copy and status <> 'sent' returning message_id
            )
            update sms_messages m set status = :status, reason = :error, error_code = :code
            from copy where m.id = copy.message_id and m.status = 'sending'
        """),
        values,
    )


def _lock_message_of(conn: Connection, copy_id: UUID) -> None:
    """The message is locked before its copies, everywhere: the first callback can come while its answer is written down."""
    conn.execute(
        text("select 1 from sms_messages where id = (select message_id from sms_delivery where id = :copy) for update"),
        {"copy": copy_id},
    )


def mark_given_up(conn: Connection, user_id: UUID, job_id: UUID, reason: str) -> None:
    """The job has failed for good: nobody will send its message any more, unless it is retried."""
    conn.execute(
        text("""
            update sms_messages set status = 'failed', reason = :reason
            where user_id = :user_id and queue_job_id = :job_id and status in ('pending', 'sending')
        """),
        {"user_id": user_id, "job_id": job_id, "reason": reason},
    )


def set_opted_out(conn: Connection, phone_number: str, out: bool, now: datetime) -> int:
    """Whoever has that number wants no messages, or wants them again. Returns how many users this changed."""
    done = conn.execute(
        text("""
            update user_sms_preferences set opted_out = :out, opted_out_at = case when :out then cast(:now as timestamptz) end
            where phone_number = :number and opted_out <> :out
        """),
        {"number": phone_number, "out": out, "now": now},
    )
    return done.rowcount


def _wishes(row: Row[Any] | None) -> Wishes | None:
    if row is None:
        return None
    try:
        zone = ZoneInfo(row.zone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = UTC
    return Wishes(*row, zone)


def message_from(row: Row[Any]) -> Message:
    """A row of MESSAGE_COLUMNS."""
    return Message(*row)


MESSAGE_COLUMNS = _MESSAGE
