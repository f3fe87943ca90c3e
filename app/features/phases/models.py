"""What planning works with: tasks and what they need, a choice of phases, a plan. All ids are task ids unless said otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from uuid import UUID

Method = Literal["phases_only", "schedule_in_phases", "calendar_optimized"]
PlannedBy = Literal["model", "dependencies"]

OPEN_STATUSES = ("in_progress", "blocked", "backlog")  # planned where no statuses are named


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the project that is not deleted. Times are aware; of an all-day task they are midnights in the user's zone."""

    id: UUID
    title: str
    description: str = ""
    status: str = "backlog"
    priority: str = "medium"
    start_date: datetime | None = None
    due_date: datetime | None = None
    all_day: bool = False


@dataclass(frozen=True, slots=True)
class StoredPhase:
    """A phase as it was planned before, with its tasks in order."""

    id: UUID
    name: str
    description: str
    end_date: date | None
    tasks: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """A project as one snapshot saw it. `tasks` in the order they were added; `needs`: what each task depends on."""

    id: UUID
    name: str
    description: str
    context: str
    tasks: tuple[Task, ...]
    needs: Mapping[UUID, frozenset[UUID]]
    phases: tuple[StoredPhase, ...] = ()


@dataclass(frozen=True, slots=True)
class ChosenTask:
    """A task's place as somebody wants it. `minutes` of work, where they were estimated."""

    id: UUID
    minutes: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChosenPhase:
    """A phase as somebody wants it. `stored` is the id of the phase it continues, where it is kept."""

    name: str
    description: str = ""
    tasks: tuple[ChosenTask, ...] = ()
    stored: UUID | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Phases as somebody wants them, in order: the order of tasks is not checked yet. `notes` say what was odd about the choice."""

    phases: tuple[ChosenPhase, ...]
    planned_by: PlannedBy
    model: str | None = None
    summary: str = ""
    notes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task in its place. `start` and `end` (aware) where dates are suggested."""

    id: UUID
    minutes: int | None = None
    reason: str = ""
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """A phase in its place, first and last day in the user's zone."""

    name: str
    description: str
    tasks: tuple[PlannedTask, ...]
    stored: UUID | None = None
    start_date: date | None = None
    end_date: date | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is stored. No task stands before one it needs; `backlog`: tasks that are in no phase."""

    phases: tuple[PlannedPhase, ...]
    backlog: tuple[UUID, ...]
    notes: Mapping[str, object] = field(default_factory=dict)
