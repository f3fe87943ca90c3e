"""The SQL of planning: a day's events, the reminders that are known, the days that are planned."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from app.features.sms.models import Event, Message, Wishes
from app.features.sms.repository import MESSAGE_COLUMNS, message_from

KEPT_DAYS = timedelta(days=7)  # how long a planned day is remembered


def events_between(conn: Connection, user_id: UUID, begins: datetime, ends: datetime) -> list[Event]:
    """The user's events that start between two instants, the second excluded: no cancelled ones, none that last all day."""
    rows = conn.execute(
        text("""
            select id, title, location, start_time, all_day, status from calendar_events
            where user_id = :user_id and start_time >= :begins and start_time < :ends and not all_day and status <> 'cancelled'
            order by start_time, id
        """),
        {"user_id": user_id, "begins": begins, "ends": ends},
    )
    return [Event(*row) for row in rows]


def reminders_of(conn: Connection, user_id: UUID, event_ids: list[UUID]) -> dict[tuple[UUID, datetime], Message]:
    """The reminders these events have or had, by event and start."""
    rows = conn.execute(
        text(f"""
            select {MESSAGE_COLUMNS} from sms_messages
            where user_id = :user_id and calendar_event_id = any(cast(:ids as uuid[])) and event_starts_at is not null
        """),
        {"user_id": user_id, "ids": event_ids},
    )
    found = [message_from(row) for row in rows]
    return {(each.event_id, each.event_starts_at): each for each in found}


def follow_waiting(conn: Connection, user_id: UUID, now: datetime) -> None:
    """Bring the waiting reminders of a user in line with their events, as a trigger does that finds nobody else at it."""
    conn.execute(text("select follow_waiting_reminders(array[cast(:id as uuid)], :now)"), {"id": user_id, "now": now})


def put_reminder(
    conn: Connection,
    wishes: Wishes,
    event: Event,
    lead: timedelta,
    *,
    status: str,
    reason: str | None,
    words: str,
    at: datetime | None,
) -> UUID:
    """Write the reminder of an event down, anew or over one that was skipped or cancelled. Returns its id."""
    return conn.execute(
        text("""
            insert into sms_messages (user_id, phone_number, message_content, status, reason, scheduled_for,
                                      calendar_event_id, event_starts_at, lead_minutes)
            values (:user_id, :phone, :words, :status, :reason, :at, :event_id, :start, :lead)
            on conflict (calendar_event_id, event_starts_at) where event_starts_at is not null do update
            set phone_number = excluded.phone_number, message_content = excluded.message_content, status = excluded.status,
                reason = excluded.reason, scheduled_for = excluded.scheduled_for, lead_minutes = excluded.lead_minutes
            returning id
        """),
        {
            "user_id": wishes.user_id,
            "phone": wishes.phone_number,
            "words": words,
            "status": status,
            "reason": reason,
            "at": at,
            "event_id": event.id,
            "start": event.start,
            "lead": _minutes(lead),
        },
    ).scalar_one()


def refresh_reminder(
    conn: Connection, message: Message, at: datetime, lead: timedelta, words: str, metadata: dict[str, Any]
) -> None:
    """Bring a waiting reminder and its job in line: their time, and what they say."""
    values = {
        "id": message.id,
        "job": message.queue_job_id,
        "at": at,
        "lead": _minutes(lead),
        "words": words,
        "metadata": json.dumps(metadata),
    }
    # The job before its message, as everywhere: who cancels it has it locked already.
    conn.execute(text("select move_scheduled_job(:job, :at, cast(:metadata as jsonb))"), values)
    conn.execute(
        text("""
            update sms_messages set scheduled_for = :at, lead_minutes = :lead, message_content = :words where id = :id
        """),
        values,
    )


def set_job(conn: Connection, message_id: UUID, job_id: UUID) -> None:
    """The job that will send a message."""
    conn.execute(text("update sms_messages set queue_job_id = :job where id = :id"), {"id": message_id, "job": job_id})


def remember_day(conn: Connection, user_id: UUID, day: date, job_id: UUID, now: datetime) -> None:
    """A date is planned: what changes in it from now on plans it again."""
    conn.execute(
        text("""
            insert into sms_planned_days (user_id, local_date, job_id, planned_at) values (:user_id, :day, :job_id, :now)
            on conflict (user_id, local_date) do update set job_id = excluded.job_id, planned_at = excluded.planned_at
        """),
        {"user_id": user_id, "day": day, "job_id": job_id, "now": now},
    )
    conn.execute(
        text("delete from sms_planned_days where user_id = :user_id and local_date < :before"),
        {"user_id": user_id, "before": now.date() - KEPT_DAYS},
    )


def log_counts(conn: Connection, user_id: UUID, details: dict[str, Any]) -> None:
    """What a planning did, for the user's activity log."""
    conn.execute(
        text(
            "insert into activity_log (user_id, activity, details) values (:user_id, 'daily_sms_scheduled', cast(:details as jsonb))"
        ),
        {"user_id": user_id, "details": json.dumps(details)},
    )


def _minutes(lead: timedelta) -> int:
    return int(lead.total_seconds() // 60)
