"""What a task list becomes: tasks, in projects known by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from app.formats.counts import Counts

ALL_FIELDS = frozenset(
    {"project", "title", "description", "status", "priority", "start_date", "due_date", "completed_at", "recurrence"}
)


@dataclass(frozen=True)
class Task:
    """A row of tasks. Times are UTC; `all_day`: the dates name days, as midnights in the user's zone."""

    external_id: str
    project: str | None
    title: str
    description: str | None = None
    status: str = "backlog"
    priority: str = "medium"
    start_date: datetime | None = None
    due_date: datetime | None = None
    all_day: bool = False
    completed_at: datetime | None = None
    recurrence: str | None = None
    cancelled: bool = False
    parent: str | None = None  # external id of the task that this is a part of
    recurrence_of: str | None = None  # external id of the repeating task that this is one occurrence of


@dataclass(frozen=True)
class TaskList:
    """Tasks of one file. `given` are the fields it speaks of: the others of a known task are left as they are."""

    tasks: tuple[Task, ...]
    given: frozenset[str]
    project_notes: dict[str, str] = field(default_factory=dict)


@dataclass
class TaskChanges:
    """What storing a list did."""

    tasks: Counts = field(default_factory=Counts)
    projects: Counts = field(default_factory=Counts)
