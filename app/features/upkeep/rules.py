"""When does a finished recurring task come again? Pure functions; instants are aware, local times naive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo

from app.formats.components import to_utc
from app.formats.recurrence import Rule, expand, parse_rule
from app.queue.models import zones

# A next time is looked for within these spans, one after the other: most rules repeat soon, a few after decades.
SPANS = tuple(timedelta(days=days) for days in (3, 70, 800, 15_000, 146_097))


@dataclass(frozen=True)
class Finished:
    """A finished task with a recurrence. `all_day`: its dates are the first instant of a day in `timezone`, its user's.

    `recurrence_start` is the local time at which its series began; None where it is the first of it.
    """

    id: UUID
    start_date: datetime | None
    due_date: datetime | None
    all_day: bool
    completed_at: datetime
    recurrence: str
    recurrence_start: datetime | None
    timezone: str | None


@dataclass(frozen=True)
class NextInstance:
    """The dates of the task that follows, in UTC, and the local time at which the series began."""

    start_date: datetime | None
    due_date: datetime | None
    all_day: bool
    recurrence_start: datetime


def next_instance(task: Finished) -> NextInstance | None:
    """The first time of the series after the task's own date and after it was finished: what was missed does not pile up.

    The rule is about the due date, else the start; the other one keeps its distance on the clock. A task without a date recurs by
    whole days from the day it was finished. A local time that a clock change skips moves forward by the gap, one that it repeats
    is the first. None when the series is over. Raises ImportProblem for a rule that is none.
    """
    rule = parse_rule(task.recurrence)
    zone = zone_or_utc(task.timezone)
    own = task.due_date or task.start_date
    all_day = task.all_day or own is None
    local = _local(own or task.completed_at, zone, all_day)
    series = task.recurrence_start or local
    try:
        found = _first_after(rule, series, max(own or task.completed_at, task.completed_at), zone)
        if found is None:
            return None
        moved = found - local
        start = task.start_date and to_utc(_local(task.start_date, zone, all_day) + moved, zone)
        due = to_utc(found, zone) if task.due_date or own is None else None
    except OverflowError:  # the calendar ends with the year 9999
        return None
    return NextInstance(start, due, all_day, series)


def zone_or_utc(name: str | None) -> tzinfo:
    """The zone of that IANA name; UTC where there is none."""
    return ZoneInfo(name) if name in zones() else UTC


def _local(moment: datetime, zone: tzinfo, all_day: bool) -> datetime:
    """What clocks and calendars in `zone` show; of a whole day its midnight, also where a clock change skips that."""
    local = moment.astimezone(zone).replace(tzinfo=None)
    return datetime.combine(local.date(), time()) if all_day else local


def _first_after(rule: Rule, series: datetime, after: datetime, zone: tzinfo) -> datetime | None:
    for local in _times(rule, series, after.astimezone(zone).replace(tzinfo=None) - timedelta(days=1), zone):
        if to_utc(local, zone) > after:
            return local
    return None


def _times(rule: Rule, series: datetime, first: datetime, zone: tzinfo) -> Iterator[datetime]:
    for span in SPANS:
        last = first + min(span, datetime.max - first)
        yield from expand(rule, series, first, last, zone)[0]
        first = last
