"""When each task of a plan could be done: working hours of the user's own days, around what is in the calendar. Pure.

One person does one task at a time, on working days, with room left for what was not planned.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from app.features.phases.answer import MOST_MINUTES
from app.features.phases.graph import in_order
from app.features.phases.models import Method, Plan, PlannedPhase, PlannedTask, Project, Task

WORK_BEGINS, WORK_ENDS = time(9), time(17)  # local
DAYS_OFF = (5, 6)  # Saturday, Sunday
MINUTES_A_DAY = MOST_MINUTES  # planned at most: the rest of a day belongs to everything else
USUAL_MINUTES = 60  # of a task that nobody estimated
STEP = timedelta(minutes=15)  # tasks begin on a quarter of an hour
FARTHEST = timedelta(days=730)

Span = tuple[datetime, datetime]


def horizon(now: datetime, tasks: Sequence[Task]) -> datetime:
    """The instant up to which the calendar must be known to schedule that many tasks."""
    return now + min(FARTHEST, timedelta(days=60 + 3 * len(tasks)))


def merged(busy: Iterable[Span]) -> list[Span]:
    """The spans in order, overlapping ones as one; what takes no time is left out."""
    spans: list[Span] = []
    for start, end in sorted(span for span in busy if span[0] < span[1]):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


def with_dates(
    plan: Plan, project: Project, *, method: Method, busy: Iterable[Span], zone: ZoneInfo, now: datetime
) -> Plan:
    """The plan with its dates. `busy` are spans (aware) in which no task may stand; `calendar_optimized` alone looks at them.

    Each phase begins on the day after the last task of the phase before, each task after what it needs and not before its own
    start date. `phases_only` gives the phases their days, as estimates, and the tasks none. What finds no room up to the horizon has no dates and is
    noted, as is what would end after its due date.
    """
    diary = Diary(merged(busy) if method == "calendar_optimized" else [], zone, now, horizon(now, project.tasks))
    tasks = {task.id: task for task in project.tasks}
    ends = _Ends(project)
    not_before = max(
        [now, *(_day_after(phase.end_date, zone) for phase in plan.phases if phase.stored and phase.end_date)]
    )
    phases, late, no_room = [], [], []
    for phase in plan.phases:
        if phase.stored:
            phases.append(phase)  # it stays as it is
            continue
        placed: list[PlannedTask] = []
        for planned in phase.tasks:
            task, span = tasks[planned.id], None
            if task.status != "done":
                if (ready := ends.ready(task.id, not_before)) is not None:
                    span = diary.find(max(ready, task.start_date or ready), planned.minutes or USUAL_MINUTES)
                if span is None:
                    no_room.append(str(task.id))
                elif (due := _due(task, zone)) is not None and span[1] > due:
                    late.append(str(task.id))
            ends.record(task, span[1] if span else None)
            placed.append(replace(planned, start=span[0], end=span[1]) if span else planned)
        phases.append(_dated(phase, placed, zone))
        if phases[-1].end_date:
            not_before = max(not_before, _day_after(phases[-1].end_date, zone))
    if method == "phases_only":
        phases = [
            replace(p, tasks=p.tasks if p.stored else tuple(replace(t, start=None, end=None) for t in p.tasks))
            for p in phases
        ]
    found = {"late": late, "no_room": no_room}
    return replace(
        plan, phases=tuple(phases), notes={**plan.notes, **{name: ids for name, ids in found.items() if ids}}
    )


class Diary:
    """What is taken, and the next free time. `busy` in order and without overlaps."""

    def __init__(self, busy: Sequence[Span], zone: ZoneInfo, now: datetime, last: datetime) -> None:
        self._zone, self._now, self._last = zone, _up(now), last
        self._taken: dict[date, list[Span]] = {}
        self._minutes: dict[date, int] = {}
        for start, end in busy:
            day, final = max(start, now).astimezone(zone).date(), min(end, last).astimezone(zone).date()
            while day <= final:
                self._taken.setdefault(day, []).append((start, end))
                day += timedelta(days=1)

    def find(self, earliest: datetime, minutes: int) -> Span | None:
        """The first free span of that many minutes (at most MINUTES_A_DAY), and it is taken from now on; None where there is none before the horizon."""
        if earliest > self._last:
            return None
        earliest, length = _up(max(earliest, self._now)), timedelta(minutes=minutes)
        day = earliest.astimezone(self._zone).date()
        while _midnight(day, self._zone) < self._last:
            if day.weekday() not in DAYS_OFF and self._minutes.get(day, 0) + minutes <= MINUTES_A_DAY:
                begin = max(earliest, datetime.combine(day, WORK_BEGINS, self._zone).astimezone(UTC))
                end = datetime.combine(day, WORK_ENDS, self._zone).astimezone(UTC)
                if (span := self._gap(day, begin, end, length)) is not None:
                    insort(self._taken.setdefault(day, []), span)
                    self._minutes[day] = self._minutes.get(day, 0) + minutes
                    return span
            day += timedelta(days=1)
        return None

    def _gap(self, day: date, begin: datetime, end: datetime, length: timedelta) -> Span | None:
        for start, stop in self._taken.get(day, ()):
            if begin + length <= start:
                break
            begin = max(begin, _up(stop))
        return (begin, begin + length) if begin + length <= end else None


class _Ends:
    """When everything that a task needs is done, also through tasks that are not planned themselves."""

    def __init__(self, project: Project) -> None:
        self._needs = project.needs
        groups = in_order([task.id for task in project.tasks], project.needs)
        self._circle = {task: group for group in groups for task in group}
        self._passing = {task.id for task in project.tasks if task.status != "done"}
        self._end: dict[UUID, datetime] = {}
        self._open: set[UUID] = set()  # they have no end, so whatever needs them has no beginning

    def ready(self, task: UUID, not_before: datetime) -> datetime | None:
        """The first instant at which the task can begin; None where something it needs found no room."""
        latest, seen, look = not_before, set(self._circle[task]), list(self._circle[task])
        while look:
            for need in self._needs.get(look.pop(), frozenset()) - seen:
                seen.add(need)
                if need in self._open:
                    return None
                if need in self._end:
                    latest = max(latest, self._end[need])
                elif need in self._passing:
                    look.append(need)
        return latest

    def record(self, task: Task, end: datetime | None) -> None:
        """Where a task ends; None: it has no dates, which holds back nobody where it is done."""
        if end is not None:
            self._end[task.id] = end
        elif task.status != "done":
            self._open.add(task.id)


def _dated(phase: PlannedPhase, tasks: Sequence[PlannedTask], zone: ZoneInfo) -> PlannedPhase:
    days = [moment.astimezone(zone).date() for task in tasks for moment in (task.start, task.end) if moment]
    return replace(phase, tasks=tuple(tasks), start_date=min(days, default=None), end_date=max(days, default=None))


def _due(task: Task, zone: ZoneInfo) -> datetime | None:
    """The instant after which a task is late: of an all-day one, the end of its day."""
    if task.due_date is None or not task.all_day:
        return task.due_date
    return _day_after(task.due_date.astimezone(zone).date(), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(UTC)


def _day_after(day: date, zone: ZoneInfo) -> datetime:
    return _midnight(day + timedelta(days=1), zone)


def _up(moment: datetime) -> datetime:
    """The next quarter of an hour, in UTC. Every zone's offset is whole quarters of an hour."""
    moment = moment.astimezone(UTC)
    floor = moment.replace(minute=moment.minute - moment.minute % 15, second=0, microsecond=0)
    return floor if floor == moment else floor + STEP
