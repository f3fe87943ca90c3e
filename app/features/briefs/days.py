"""A day as its user sees it: the events the brief would list, and the tasks that are due, for reading alone."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from app.features.briefs.models import Event
from app.features.briefs.reads import as_json
from app.features.briefs.repository import fetch_events
from app.features.briefs.rules import events_of, local_day

# Of a date without a time, the start of that day in the user's own zone is stored: it lies inside the day like any other time.
_TASKS = text(
    """
    select t.id, t.title, t.status, t.priority, t.project_id, p.name as project_name, coalesce(t.due_date, t.start_date) as at,
           t.due_date is null as planned, t.all_day
    from tasks t left join projects p on p.id = t.project_id
    where t.user_id = :user_id and t.deleted_at is null
      and coalesce(t.due_date, t.start_date) >= :since and coalesce(t.due_date, t.start_date) < :until
    order by t.all_day, at, t.title, t.id
    """
)


def read_day(conn: Connection, user_id: UUID, day: date, zone: ZoneInfo) -> dict[str, Any]:
    """`{date, timezone, start, end, events, tasks}` of a local date; instants in UTC with `Z`.

    `start` and `end` are where the day begins and ends (23 or 25 hours apart where the clocks change). An all-day event has no
    times, only its days. Raises OverflowError for a day at the very ends of the calendar.
    """
    seen = local_day(day, zone)
    tasks = conn.execute(_TASKS, {"user_id": user_id, "since": seen.start, "until": seen.end})
    return {
        "date": str(day),
        "timezone": zone.key,
        "start": as_json(seen.start),
        "end": as_json(seen.end),
        "events": [_event(event) for event in events_of(seen, fetch_events(conn, user_id, seen))],
        "tasks": [{name: as_json(value) for name, value in row._mapping.items()} for row in tasks],
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "title": event.title,
        "location": event.location,
        "tentative": event.tentative,
        "all_day": event.all_day,
        "start_time": None if event.all_day else as_json(event.start),
        "end_time": None if event.all_day else as_json(event.end),
        "first_day": str(event.start.date()),
        "last_day": str(event.end.date()),
        "from_before": event.from_before,
        "into_after": event.into_after,
    }
