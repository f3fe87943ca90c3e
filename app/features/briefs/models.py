"""What a daily brief is made of. Plain values: no database, no clock, no network (CONTRACT 8.1).

A job's metadata and result have their models in `app.queue.models`; these are the brief's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

Priority = Literal["low", "medium", "high"]
Bucket = Literal["overdue", "today", "upcoming", "completed"]

INBOX = "Inbox"


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day somewhere: `start` (included) and `end` (not) are its instants in UTC."""

    date: date
    zone: ZoneInfo
    start: datetime
    end: datetime

    @property
    def hours(self) -> float:
        """24, or 23 or 25 (or 23.5, …) where the clocks change."""
        return (self.end - self.start).total_seconds() / 3600


@dataclass(frozen=True, slots=True)
class Person:
    """Whose brief it is. `timezone` is `users.timezone` as it is stored, not yet checked."""

    id: str
    email: str | None
    name: str | None
    timezone: str
    country: str | None
    email_enabled: bool
    last_visit: datetime | None = None
    latest_activity: str | None = None
    latest_activity_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One task. A date of an `all_day` task is the start of that day in the user's own timezone."""

    id: str
    title: str
    status: str = "backlog"
    priority: Priority = "medium"
    all_day: bool = False
    start_date: datetime | None = None
    due_date: datetime | None = None
    completed_at: datetime | None = None
    deleted: bool = False

    @property
    def open(self) -> bool:
        return self.status != "done" and not self.deleted

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Task:
        """From the JSON of a row. Raises ValueError for a time that Python cannot hold (-infinity, BC)."""
        return cls(
            id=row["id"],
            title=row["title"],
            status=row["status"],
            priority=row["priority"],
            all_day=row["all_day"],
            start_date=_instant(row["start_date"]),
            due_date=_instant(row["due_date"]),
            completed_at=_instant(row["completed_at"]),
        )


@dataclass(frozen=True, slots=True)
class Note:
    title: str | None
    content: str


@dataclass(frozen=True, slots=True)
class ProjectData:
    """A project as it was fetched; rows are read when its turn comes, so that a bad one fails this project alone.

    The inbox, tasks and notes without a project, is one without an id.
    """

    id: str | None
    name: str
    context: str | None = None
    open_tasks: int = 0
    tasks: tuple[dict[str, Any], ...] = ()
    notes: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class EventData:
    """A calendar event as it is stored. An all-day one begins and ends at midnights of its own `timezone`."""

    title: str
    start_time: datetime
    end_time: datetime
    all_day: bool = False
    timezone: str = "UTC"
    location: str | None = None
    tentative: bool = False


@dataclass(frozen=True, slots=True)
class BriefData:
    """Everything a brief is written from, fetched in one snapshot."""

    projects: tuple[ProjectData, ...] = ()
    inbox: ProjectData | None = None
    events: tuple[EventData, ...] = ()
    missing_projects: int = 0  # asked for by id, and not among the active ones


@dataclass(frozen=True, slots=True)
class Placed:
    """A task in its bucket: `date` is the local day it counts for, `at` its local time where it has one.

    `days` counts from the day of the brief: negative is overdue. `planned`: `start_date` stood in for a due date.
    """

    task: Task
    bucket: Bucket
    date: date
    days: int
    at: datetime | None = None
    planned: bool = False


@dataclass(frozen=True, slots=True)
class Buckets:
    overdue: tuple[Placed, ...] = ()
    today: tuple[Placed, ...] = ()
    upcoming: tuple[Placed, ...] = ()
    completed: tuple[Placed, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.overdue or self.today or self.upcoming or self.completed)

    @property
    def pressing(self) -> tuple[Placed, ...]:
        return self.overdue + self.today


@dataclass(frozen=True, slots=True)
class Section:
    """A project's part of the brief. `failed` says why there is none, in words for the user."""

    project_id: str | None
    name: str
    buckets: Buckets = field(default_factory=Buckets)
    context: str | None = None
    notes: tuple[Note, ...] = ()
    open_tasks: int = 0
    markdown: str = ""
    failed: str | None = None

    @property
    def quiet(self) -> bool:
        return self.failed is None and self.buckets.empty and not self.notes

    @property
    def counts(self) -> dict[str, int]:
        return {
            "overdue": len(self.buckets.overdue),
            "today": len(self.buckets.today),
            "upcoming": len(self.buckets.upcoming),
            "completed": len(self.buckets.completed),
            "open": self.open_tasks,
        }

    def as_json(self) -> dict[str, Any]:
        """As it is kept in `daily_briefs.project_briefs`."""
        stored = {
            "projectId": self.project_id,
            "projectName": self.name,
            "markdown": self.markdown,
            "counts": self.counts,
        }
        return stored if self.failed is None else {**stored, "failed": True, "error": self.failed}


@dataclass(frozen=True, slots=True)
class Action:
    """A line of the priorities: what to do first."""

    placed: Placed
    project_id: str | None
    project_name: str

    def as_json(self) -> dict[str, Any]:
        """As it is kept in `daily_briefs.priority_actions`."""
        return {
            "taskId": self.placed.task.id,
            "title": self.placed.task.title,
            "projectId": self.project_id,
            "projectName": self.project_name,
            "priority": self.placed.task.priority,
            "status": self.placed.task.status,
            "bucket": self.placed.bucket,
            "date": self.placed.date.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Event:
    """An event as the day sees it: local times, and whether it reaches over the day's edges."""

    title: str
    start: datetime
    end: datetime
    all_day: bool = False
    location: str | None = None
    tentative: bool = False
    from_before: bool = False
    into_after: bool = False


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the language model wrote, or why there is nothing (`reason`, for the user, free of secrets)."""

    text: str | None = None
    model: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Brief:
    """A whole brief, ready to be written out."""

    day: Day
    person: Person
    sections: tuple[Section, ...] = ()  # projects in the order they are shown, then the inbox
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    holidays: tuple[str, ...] = ()
    reengagement: bool = False
    days_away: int | None = None
    missing_projects: int = 0
    calendar_stale: bool = False  # recurring events could not be brought up to date


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
