"""SQL of tasks that stand in the calendar (`task_calendar_events`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from app.features.calendar.models import Occurrence
from app.features.calendar.sync_rules import OurChange


@dataclass(frozen=True)
class Link:
    """A row of task_calendar_events."""

    id: UUID
    user_id: UUID
    task_id: UUID | None
    connection_id: UUID | None
    calendar_event_id: UUID | None
    remote_id: str | None
    sync_status: str
    sync_source: str
    etag: str | None
    pushed: dict[str, Any] | None
    changed_at: datetime
    pushed_at: datetime | None
    remote_updated: datetime | None
    error: str | None

    def as_rule(self) -> OurChange:
        """What the rules of echoes and conflicts look at."""
        waiting = self.sync_status in ("pending", "deleting")
        return OurChange(self.pushed_at, self.etag, self.remote_updated, self.changed_at, waiting)


@dataclass(frozen=True)
class TaskTimes:
    """What the calendar needs of a task, and its user's zone as stored."""

    id: UUID
    user_id: UUID
    title: str
    start_date: datetime | None
    due_date: datetime | None
    all_day: bool
    timezone: str


COLUMNS = (
    "id, user_id, task_id, connection_id, calendar_event_id, remote_id, sync_status, sync_source, etag, pushed, changed_at, "
    "pushed_at, remote_updated, error"
)
_OF_TASK = text(f"select {COLUMNS} from task_calendar_events where task_id = :id and sync_status <> 'deleting'")
_WAITING = text(
    f"select {COLUMNS} from task_calendar_events where connection_id = :id and sync_status in ('pending', 'deleting') "
    "order by changed_at, id limit :most"
)
_BY_REMOTE = text(
    f"select {COLUMNS} from task_calendar_events where connection_id = :id and remote_id = any(cast(:ids as text[])) for update"
)
# Tasks before links, as whoever changes a task does: the other way round the two could wait for each other.
_LOCK_TASKS = text("""
    select from tasks t where exists (select from task_calendar_events l where l.task_id = t.id and l.connection_id = :id
        and (cast(:ids as text[]) is null or l.remote_id = any(cast(:ids as text[]))))
    order by t.id for no key update of t
""")
_UNSEEN = text(f"""
    select {COLUMNS} from task_calendar_events t where connection_id = :id and pushed is not null
    and not exists (select from calendar_seen n where n.connection_id = :id and n.external_id = :prefix || t.remote_id)
""")
_TASK = text("""
    select t.id, t.user_id, t.title, t.start_date, t.due_date, t.all_day, u.timezone
    from tasks t join users u on u.id = t.user_id where t.id = :id and t.deleted_at is null for no key update of t
""")
_ADD_EVENT = text("""
    insert into calendar_events (user_id, external_id, title, start_time, end_time, all_day, timezone, sync_source)
    values (:user_id, :external_id, :title, :start_time, :end_time, :all_day, :timezone, 'app') returning id
""")
_ADD = text(f"""
    insert into task_calendar_events (id, user_id, task_id, connection_id, calendar_event_id, remote_id, sync_status, changed_at)
    values (:id, :user_id, :task_id, :connection_id, :calendar_event_id, :remote_id, :sync_status, :now) returning {COLUMNS}
""")
_EVENT = text("""
    select external_id, title, description, location, start_time, end_time, all_day, timezone, status
    from calendar_events where id = :id
""")
_TOOK = text("""
    update task_calendar_events set etag = :etag, pushed = cast(:pushed as jsonb), remote_updated = :updated, pushed_at = :now,
        error = null, sync_status = case when changed_at = :changed_at and sync_status = 'pending' then 'synced' else sync_status end
    where id = :id
""")
_OURS = text("""
    update calendar_events set connection_id = :connection_id, sync_source = 'app'
    where id = :id and (connection_id, sync_source) is distinct from (cast(:connection_id as uuid), 'app')
""")
_HEARD = text("""
    update task_calendar_events set etag = :etag, pushed = cast(:pushed as jsonb), remote_updated = :updated, error = null,
        sync_source = 'google', sync_status = 'synced', calendar_event_id = coalesce(:event_id, calendar_event_id)
    where id = :id
""")

_OVERRULED = text("""
    update task_calendar_events set etag = :etag, remote_updated = :updated, pushed = coalesce(cast(:pushed as jsonb), pushed)
    where id = :id
""")


def task(conn: Connection, task_id: UUID) -> TaskTimes | None:
    """A task that is not deleted, locked until the transaction ends."""
    row = conn.execute(_TASK, {"id": task_id}).first()
    return TaskTimes(*row) if row else None


def of_task(conn: Connection, task_id: UUID) -> Link | None:
    """The link of a task."""
    row = conn.execute(_OF_TASK, {"id": task_id}).first()
    return Link(*row) if row else None


def set_start(conn: Connection, task_id: UUID, start: datetime, all_day: bool) -> None:
    """Give a task a time."""
    conn.execute(
        text("update tasks set start_date = :start, all_day = :all_day where id = :id"),
        {"id": task_id, "start": start, "all_day": all_day},
    )


def add(
    conn: Connection,
    found: TaskTimes,
    link_id: UUID,
    connection_id: UUID | None,
    external_id: str,
    times: tuple[datetime, datetime],
    zone: str,
    now: datetime,
) -> Link:
    """Put a task into the calendar: its event, and the link between the two."""
    event_id = conn.execute(
        _ADD_EVENT,
        {
            "user_id": found.user_id,
            "external_id": external_id,
            "title": found.title,
            "start_time": times[0],
            "end_time": times[1],
            "all_day": found.all_day,
            "timezone": zone,
        },
    ).scalar_one()
    values = {
        "id": link_id,
        "user_id": found.user_id,
        "task_id": found.id,
        "connection_id": connection_id,
        "calendar_event_id": event_id,
        "remote_id": link_id.hex if connection_id else None,
        "sync_status": "pending" if connection_id else "local",
        "now": now,
    }
    return Link(*conn.execute(_ADD, values).one())


def event(conn: Connection, event_id: UUID | None) -> Occurrence | None:
    """The event of a link."""
    row = conn.execute(_EVENT, {"id": event_id}).first()
    return Occurrence(*row) if row else None


def remove(conn: Connection, link: Link, now: datetime) -> None:
    """Take a task out of the calendar; Google is told by the next sync."""
    conn.execute(text("delete from calendar_events where id = :id"), {"id": link.calendar_event_id})
    if link.connection_id is None:
        delete(conn, link.id)
    else:
        conn.execute(
            text("update task_calendar_events set sync_status = 'deleting', sync_source = 'app', changed_at = :now where id = :id"),
            {"id": link.id, "now": now},
        )  # fmt: skip


def delete(conn: Connection, link_id: UUID) -> None:
    """Forget a link."""
    conn.execute(text("delete from task_calendar_events where id = :id"), {"id": link_id})


def waiting(conn: Connection, connection_id: UUID, most: int) -> list[Link]:
    """The links that Google is still to be told of, the oldest change first."""
    return [Link(*row) for row in conn.execute(_WAITING, {"id": connection_id, "most": most})]


def by_remote(conn: Connection, connection_id: UUID, ids: Sequence[str]) -> dict[str, Link]:
    """The links among these events, by Google's id, locked with their tasks."""
    values = {"id": connection_id, "ids": list(ids)}
    conn.execute(_LOCK_TASKS, values)
    rows = conn.execute(_BY_REMOTE, values)
    return {link.remote_id: link for link in (Link(*row) for row in rows) if link.remote_id}


def unseen(conn: Connection, connection_id: UUID, prefix: str) -> list[Link]:
    """The links whose event was there and was not met by a full sync, their tasks locked."""
    conn.execute(_LOCK_TASKS, {"id": connection_id, "ids": None})
    return [Link(*row) for row in conn.execute(_UNSEEN, {"id": connection_id, "prefix": prefix})]


def took(
    conn: Connection, link: Link, etag: str | None, updated: datetime | None, body: dict[str, Any], now: datetime
) -> None:
    """Google has taken our change. One that was made meanwhile still waits."""
    # The event before the link, as the trigger does.
    conn.execute(_OURS, {"id": link.calendar_event_id, "connection_id": link.connection_id})
    values = {"id": link.id, "etag": etag, "updated": updated, "pushed": json.dumps(body), "now": now}
    conn.execute(_TOOK, {**values, "changed_at": link.changed_at})


def heard(
    conn: Connection,
    link: Link,
    etag: str | None,
    updated: datetime | None,
    body: dict[str, Any],
    event_id: UUID | None,
) -> None:
    """What Google says holds."""
    values = {"id": link.id, "etag": etag, "updated": updated, "pushed": json.dumps(body), "event_id": event_id}
    conn.execute(_HEARD, values)


def overruled(
    conn: Connection, link: Link, etag: str | None, updated: datetime | None, body: dict[str, Any] | None
) -> None:
    """Google's version, which our waiting change will take the place of."""
    values = {"id": link.id, "etag": etag, "updated": updated, "pushed": json.dumps(body) if body else None}
    conn.execute(_OVERRULED, values)


def failed(conn: Connection, link: Link, error: str) -> None:
    """Google will not have it."""
    conn.execute(
        text("update task_calendar_events set sync_status = 'failed', error = :error where id = :id and changed_at = :changed_at"),
        {"id": link.id, "error": error[:500], "changed_at": link.changed_at},
    )  # fmt: skip


def move_task(
    conn: Connection, task_id: UUID, title: str, start: datetime | None, due: datetime | None, all_day: bool
) -> bool:
    """A task follows its event. The trigger that would send this back to Google is told not to."""
    conn.execute(text("select set_config('buildos.calendar_sync', 'on', true)"))
    moved = conn.execute(
        text("update tasks set title = :title, start_date = :start, due_date = :due, all_day = :all_day where id = :id "
             "and (title, start_date, due_date, all_day) is distinct from (:title, cast(:start as timestamptz), cast(:due as timestamptz), :all_day)"),
        {"id": task_id, "title": title, "start": start, "due": due, "all_day": all_day},
    ).rowcount  # fmt: skip
    conn.execute(text("select set_config('buildos.calendar_sync', 'off', true)"))
    return bool(moved)


_EVENT_ID = text("select id from calendar_events where user_id = :user_id and external_id = :external_id")


def event_id(conn: Connection, user_id: UUID, external_id: str) -> UUID | None:
    """The row of an event."""
    return conn.execute(_EVENT_ID, {"user_id": user_id, "external_id": external_id}).scalar()
