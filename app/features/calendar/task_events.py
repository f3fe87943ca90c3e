"""A task put into the calendar, and taken out of it (CONTRACT 9, 14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection

from app.features.calendar import connections, links
from app.features.calendar.connections import Connected
from app.features.calendar.links import Link
from app.features.calendar.models import Occurrence
from app.features.calendar.sync_rules import times_of
from app.formats.zones import iana_name
from app.queue.adding import AddedJob


class NoTime(Exception):
    """The task has no date, and none was given."""


@dataclass(frozen=True)
class Placed:
    """A task in the calendar. `job` tells Google, where there is one; `was_there`: it stood there before."""

    link: Link
    event: Occurrence
    event_id: UUID | None
    job: AddedJob | None
    was_there: bool


def owner(conn: Connection, task_id: UUID) -> UUID | None:
    """Whose task it is; None for an unknown or deleted one."""
    task = links.task(conn, task_id)
    return task.user_id if task else None


def put(
    conn: Connection,
    task_id: UUID,
    now: datetime,
    *,
    start: datetime | None = None,
    all_day: bool | None = None,
    length: timedelta | None = None,
    connection: Connected | None = None,
) -> Placed | None:
    """Put a task into the calendar; None for an unknown one. A `start` becomes the task's own.

    `connection`: where to, else the user's first Google calendar, else our own calendar alone. Once there, the event follows the
    task (a trigger sees to that). Raises NoTime.
    """
    task = links.task(conn, task_id)
    if task is None:
        return None
    zone = iana_name(task.timezone) or "UTC"
    if start is not None or (all_day is not None and all_day != task.all_day):
        begins = start or task.start_date or task.due_date
        if begins is None:
            raise NoTime
        whole_day = task.all_day if all_day is None else all_day
        if whole_day:
            begins, _ = times_of(begins, None, True, zone) or (begins, begins)
        links.set_start(conn, task_id, begins, whole_day)
        task = links.task(conn, task_id) or task
    link = links.of_task(conn, task_id)
    was_there = link is not None
    if link is None:
        times = times_of(task.start_date, task.due_date, task.all_day, zone, length=length)
        if times is None:
            raise NoTime
        goal = connection or connections.writable(conn, task.user_id)
        link_id = uuid4()
        external_id = f"{goal.origin.prefix}{link_id.hex}" if goal else f"task:{link_id}"
        link = links.add(conn, task, link_id, goal.id if goal else None, external_id, times, zone, now)
    event = links.event(conn, link.calendar_event_id)
    if event is None:
        raise NoTime
    return Placed(link, event, link.calendar_event_id, _tell(conn, link), was_there)


def take_out(conn: Connection, task_id: UUID, now: datetime) -> tuple[bool, AddedJob | None]:
    """Take a task out of the calendar. Whether it stood there, and the job that tells Google."""
    link = links.of_task(conn, task_id)
    if link is None:
        return False, None
    links.remove(conn, link, now)
    return True, _tell(conn, link)


def _tell(conn: Connection, link: Link) -> AddedJob | None:
    connection = connections.find(conn, link.connection_id) if link.connection_id else None
    if connection is None or connection.status != "active":
        return None
    return connections.queue_sync(conn, connection)
