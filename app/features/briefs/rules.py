"""The rules of a brief: which day, which bucket, what comes first. Pure functions; `now` is passed in (CONTRACT 8.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

from app.features.briefs.models import Action, Buckets, Day, Event, EventData, Placed, Section, Task

UPCOMING_DAYS = 7
COMPLETED_WITHIN = timedelta(hours=24)
MOST_ACTIONS = 10

_RANK = {"high": 0, "medium": 1, "low": 2}


def find_zone(name: str) -> ZoneInfo | None:
    """The IANA zone of that name, or None where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a folder such as "America" is an OSError
        return None


def local_day(day: date, zone: ZoneInfo) -> Day:
    """The instants between which it is `day` in `zone`, also where midnight does not exist or comes twice.

    Raises OverflowError for a day at the very ends of the calendar.
    """
    start = datetime.combine(day, time.min, zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)
    return Day(day, zone, start, end)


def last_24_hours(day: Day, now: datetime) -> tuple[datetime, datetime]:
    """From (not included) and to: the 24 hours before now, or before the end of a day that is over."""
    until = min(now, day.end)
    return until - COMPLETED_WITHIN, until


def sort_into_buckets(tasks: Iterable[Task], *, day: Day, home: ZoneInfo, now: datetime) -> Buckets:
    """Each open task into at most one of overdue, today and upcoming, by `due_date`, else `start_date`.

    `home` is the user's own timezone: the day of a date-only task is that date there, wherever the brief is read.
    Done tasks appear only in completed, deleted ones nowhere.
    """
    after, until = last_24_hours(day, now)
    found: dict[str, list[Placed]] = {"overdue": [], "today": [], "upcoming": [], "completed": []}
    for task in tasks:
        placed = _place_open(task, day, home) if task.open else _place_completed(task, day, after, until)
        if placed is not None:
            found[placed.bucket].append(placed)
    return Buckets(
        overdue=tuple(sorted(found["overdue"], key=_by_date)),
        today=tuple(sorted(found["today"], key=_by_priority)),
        upcoming=tuple(sorted(found["upcoming"], key=_by_date)),
        completed=tuple(sorted(found["completed"], key=_latest_first)),
    )


def _place_open(task: Task, day: Day, home: ZoneInfo) -> Placed | None:
    moment = task.due_date or task.start_date
    if moment is None:
        return None
    local = moment.astimezone(home if task.all_day else day.zone)
    days = (local.date() - day.date).days
    if days > UPCOMING_DAYS:
        return None
    bucket = "overdue" if days < 0 else "today" if days == 0 else "upcoming"
    return Placed(task, bucket, local.date(), days, None if task.all_day else local, planned=task.due_date is None)


def _place_completed(task: Task, day: Day, after: datetime, until: datetime) -> Placed | None:
    if task.deleted or task.completed_at is None or not after < task.completed_at <= until:
        return None
    local = task.completed_at.astimezone(day.zone)
    return Placed(task, "completed", local.date(), (local.date() - day.date).days, local)


def _moment(placed: Placed) -> tuple:
    # Within a day the times come first, in their order; what is due at any time of it follows.
    return placed.date, placed.at is None, placed.at.astimezone(UTC) if placed.at else datetime.max.replace(tzinfo=UTC)


def _by_date(placed: Placed) -> tuple:
    return *_moment(placed), _RANK[placed.task.priority], placed.task.title, placed.task.id


def _by_priority(placed: Placed) -> tuple:
    # A blocked task cannot be started: it comes after what can, among its equals.
    blocked = placed.task.status == "blocked"
    return _RANK[placed.task.priority], blocked, *_moment(placed), placed.task.title, placed.task.id


def _latest_first(placed: Placed) -> tuple:
    return -placed.task.completed_at.timestamp(), placed.task.title, placed.task.id


def top_actions(sections: Iterable[Section], *, most: int = MOST_ACTIONS) -> tuple[Action, ...]:
    """What to do first: all that is overdue or due today, high priority first, the longest overdue before the rest."""
    actions = [
        Action(placed, section.project_id, section.name) for section in sections for placed in section.buckets.pressing
    ]
    return tuple(sorted(actions, key=lambda action: _by_priority(action.placed))[:most])


def in_order(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Projects that press first, the one with the first priority ahead; then those with something to tell, failed ones, quiet ones."""

    def urgency(section: Section) -> tuple:
        group = 2 if section.failed else 0 if section.buckets.pressing else 1 if not section.quiet else 3
        first = min((_by_priority(placed) for placed in section.buckets.pressing), default=())
        return group, first, section.name.casefold(), section.name, section.project_id or ""

    return tuple(sorted(sections, key=urgency))


def events_of(day: Day, events: Iterable[EventData]) -> tuple[Event, ...]:
    """The events that touch the day, all-day ones first, then by time; those from before or over midnight included."""
    found = [seen for event in events if (seen := _seen_from(day, event)) is not None]
    return tuple(sorted(found, key=lambda e: (not e.all_day, *_span(e), e.title, e.location or "")))


def _span(event: Event) -> tuple[datetime, datetime]:
    # Two times of one zone are compared by their clock faces, which is wrong in an hour that comes twice.
    return (event.start, event.end) if event.all_day else (event.start.astimezone(UTC), event.end.astimezone(UTC))


def _seen_from(day: Day, event: EventData) -> Event | None:
    if event.all_day:
        # A birthday is on its date wherever one is: dates are read in the event's own zone and moved as they are.
        zone = find_zone(event.timezone) or day.zone
        first = event.start_time.astimezone(zone).date()
        last = max(first, event.end_time.astimezone(zone).date() - timedelta(days=1))
        if not first <= day.date <= last:
            return None
        start, end = datetime.combine(first, time.min), datetime.combine(last, time.min)
        before, after = first < day.date, last > day.date
    else:
        instant = event.start_time == event.end_time
        if event.start_time >= day.end or event.end_time < day.start or (event.end_time == day.start and not instant):
            return None
        start, end = event.start_time.astimezone(day.zone), event.end_time.astimezone(day.zone)
        before, after = event.start_time < day.start, event.end_time > day.end
    return Event(event.title, start, end, event.all_day, event.location, event.tentative, before, after)


def overlaps(events: Sequence[Event]) -> tuple[tuple[Event, Event], ...]:
    """Pairs of timed events that are on at the same time."""
    timed = [(event, *_span(event)) for event in events if not event.all_day]
    return tuple(
        (a, b)
        for (a, a_start, a_end), (b, b_start, b_end) in combinations(timed, 2)
        if max(a_start, b_start) < min(a_end, b_end)
    )
