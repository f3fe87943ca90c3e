"""Users with preferences, and what the schedules queued for them."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, text

from app.features.schedules import service
from tests.integration.schedules.zones import utc

NINE = utc(2026, 3, 10, 9)  # a Tuesday
EIGHT = NINE - timedelta(hours=1)
LEAD = timedelta(minutes=2)


def add_user(conn: Connection, timezone: str = "UTC", last_visit: datetime | None = None) -> UUID:
    return conn.execute(
        text("insert into users (email, timezone, last_visit) values (:email, :timezone, :last_visit) returning id"),
        {"email": f"{uuid4()}@example.com", "timezone": timezone, "last_visit": last_visit},
    ).scalar_one()


def wants_briefs(conn: Connection, user: UUID, at: time = time(9), frequency: str = "daily", day: int = 1) -> None:
    conn.execute(
        text(
            "insert into user_brief_preferences (user_id, time_of_day, frequency, day_of_week)"
            " values (:user, :at, :frequency, :day)"
        ),
        {"user": user, "at": at, "frequency": frequency, "day": day},
    )


def brief_reader(conn: Connection, timezone: str = "UTC", at: time = time(9), **more: Any) -> UUID:
    """A user who wants a brief every day."""
    user = add_user(conn, timezone, more.pop("last_visit", None))
    wants_briefs(conn, user, at, **more)
    return user


def sms_reader(conn: Connection, timezone: str = "UTC", **columns: Any) -> UUID:
    """A user who wants event reminders, unless `columns` say otherwise."""
    user = add_user(conn, timezone)
    row = {"phone_verified": True, "event_reminders_enabled": True, "opted_out": False, "lead": 15, **columns}
    conn.execute(
        text(
            "insert into user_sms_preferences (user_id, phone_number, phone_verified, event_reminders_enabled, opted_out,"
            " event_reminder_lead_time_minutes)"
            " values (:user, '+15005550006', :phone_verified, :event_reminders_enabled, :opted_out, :lead)"
        ),
        {"user": user, **row},
    )
    return user


def change(conn: Connection, table: str, user: UUID, **columns: Any) -> None:
    """Update a user's row in `users` or in a table of preferences."""
    key = "id" if table == "users" else "user_id"
    settings = ", ".join(f"{name} = :{name}" for name in columns)
    conn.execute(text(f"update {table} set {settings} where {key} = :user"), {"user": user, **columns})


def add_job(conn: Connection, user: UUID, at: datetime, key: str | None = None, **metadata: Any) -> UUID:
    """A brief that a person asked for."""
    return conn.execute(
        text("select add_queue_job(:user, 'generate_daily_brief', :metadata, 10, :at, :key)"),
        {"user": user, "metadata": Jsonb(metadata), "at": at, "key": key},
    ).scalar_one()


def jobs(conn: Connection, user: UUID | None = None, status: str | None = "pending") -> list[Any]:
    """The jobs of a user (of all), in order of time; those in one state unless None."""
    return conn.execute(
        text(
            "select * from queue_jobs where (cast(:user as uuid) is null or user_id = :user)"
            " and (cast(:status as text) is null or status::text = :status) order by scheduled_for, queue_job_id"
        ),
        {"user": user, "status": status},
    ).all()


def dates(conn: Connection, user: UUID) -> list[str]:
    """The local dates the waiting jobs of a user are for."""
    return [job.metadata.get("briefDate") or job.metadata["date"] for job in jobs(conn, user)]


def tick(conn: Connection, now: datetime) -> int:
    return service.check_and_schedule_briefs(conn, now)


def sms_tick(conn: Connection, now: datetime) -> int:
    return service.check_and_schedule_daily_sms(conn, now)


def end_job(conn: Connection, job: UUID, how: str) -> None:
    """Run a job that is due to its end: completed, failed or cancelled."""
    if how == "cancelled":
        conn.execute(text("select cancel_queue_job(:id)"), {"id": job})
        return
    conn.execute(text("select claim_job(:id, 'task', 'worker')"), {"id": job})
    call = "complete_queue_job(:id, '{}'::jsonb)" if how == "completed" else "fail_queue_job(:id, 'broken', false)"
    conn.execute(text(f"select {call}"), {"id": job})
