"""Which tasks are planned, and in which phase each one ends up. Pure: nothing here asks a clock, a database or a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from app.features.phases.graph import in_order
from app.features.phases.models import (
    OPEN_STATUSES,
    Choice,
    ChosenPhase,
    ChosenTask,
    Plan,
    PlannedPhase,
    PlannedTask,
    Project,
    Task,
)

BY_DEPENDENCIES = 5  # phases of a plan that no model made

_PRIORITY = {"high": 0, "medium": 1, "low": 2}
_NAMES = {
    2: ("Groundwork", "Finish"),
    3: ("Groundwork", "Main work", "Finish"),
    4: ("Groundwork", "Building up", "Main work", "Finish"),
    5: ("Groundwork", "Building up", "Main work", "Bringing together", "Finish"),
}
_BY_PRIORITY = ("What matters most", "Main work", "When there is time")


def selected(project: Project, statuses: Sequence[str] | None, *, include_placed: bool = True) -> tuple[Task, ...]:
    """The tasks to plan: those of the statuses, of the open ones where none are named.

    Without `include_placed` those that stand in a phase already stay there, except where they need a task that is still to be planned.
    """
    wanted = [task for task in project.tasks if task.status in (statuses or OPEN_STATUSES)]
    if include_placed:
        return tuple(wanted)
    kept = set(kept_tasks(project, wanted))
    return tuple(task for task in wanted if task.id not in kept)


def kept_tasks(project: Project, wanted: Sequence[Task]) -> list[UUID]:
    """The tasks that stand in a phase and may stay there: whatever they need, however indirectly, stands in a phase or is not planned at all."""
    placed = {task for phase in project.phases for task in phase.tasks}
    to_plan = {task.id for task in wanted} - placed
    loose = set(to_plan)
    for group in in_order([task.id for task in project.tasks], project.needs):
        if loose.intersection(group) or any(loose.intersection(project.needs.get(task, ())) for task in group):
            loose.update(group)
    return [task.id for task in project.tasks if task.id in placed and task.id not in loose]


def kept_phases(project: Project, wanted: Sequence[Task]) -> tuple[ChosenPhase, ...]:
    """The phases that stay, each with the tasks that stay in it; one that loses all its tasks goes."""
    kept = set(kept_tasks(project, wanted))
    phases = (
        ChosenPhase(
            phase.name, phase.description, tuple(ChosenTask(task) for task in phase.tasks if task in kept), phase.id
        )
        for phase in project.phases
    )
    return tuple(phase for phase in phases if phase.tasks)


def behind(kept: Sequence[ChosenPhase], choice: Choice, tasks: Sequence[Task]) -> Choice:
    """The choice with the kept phases before it. Of its own it may place `tasks` alone, whatever it was made from."""
    mine = {task.id for task in tasks}
    phases = (replace(phase, tasks=tuple(task for task in phase.tasks if task.id in mine)) for phase in choice.phases)
    return replace(choice, phases=(*kept, *(phase for phase in phases if phase.tasks)))


def arrange(project: Project, tasks: Sequence[Task], choice: Choice) -> Plan:
    """The choice as a plan of `tasks` in which nothing precedes what it needs, whatever the choice says.

    A task moves to a later phase where something it needs is there; one that was left out is taken in where a chosen task needs it,
    and else goes to the backlog; a task that is chosen twice stays where it came first; one that is none of `tasks` is dropped. Tasks that need
    each other in a circle come into one phase, the latest that was chosen for any of them. Tasks of the project that are not planned
    (another status) still pass on what they need. Phases without tasks are dropped.
    """
    mine = {task.id for task in tasks}
    wanted: dict[UUID, int] = {}
    chosen: dict[UUID, ChosenTask] = {}
    for number, phase in enumerate(choice.phases):
        for task in phase.tasks:
            if task.id in mine and task.id not in chosen:
                wanted[task.id], chosen[task.id] = number, task
    groups = in_order(_preferred(project, mine, chosen), project.needs)
    phase_of = _settle(groups, project.needs, wanted)

    lists: list[list[PlannedTask]] = [[] for _ in choice.phases]
    for task in (task for group in groups for task in group if task in mine and task in phase_of):
        said = chosen.get(task, ChosenTask(task, reason="Needed by tasks of this phase"))
        lists[phase_of[task]].append(PlannedTask(task, said.minutes, said.reason))
    phases = tuple(
        PlannedPhase(phase.name, phase.description, tuple(listed), phase.stored)
        for phase, listed in zip(choice.phases, lists, strict=True)
        if listed
    )
    found = {
        "moved_later": [str(task) for task in chosen if phase_of[task] > wanted[task]],
        "taken_in": [str(task) for task in phase_of if task in mine and task not in wanted],
        "circles": [
            [str(task) for task in group if task in mine] for group in groups if len(mine.intersection(group)) > 1
        ],
    }
    backlog = tuple(task.id for task in tasks if task.id not in phase_of)
    return Plan(phases, backlog, {**choice.notes, **{name: value for name, value in found.items() if value}})


def _preferred(project: Project, mine: set[UUID], chosen: Mapping[UUID, ChosenTask]) -> list[UUID]:
    """Every task that can stand between two planned ones, in the order in which they come where dependencies leave it open."""
    others = [task.id for task in project.tasks if task.id not in chosen and (task.id in mine or task.status != "done")]
    return [*chosen, *others]


def _settle(
    groups: Sequence[tuple[UUID, ...]], needs: Mapping[UUID, frozenset[UUID]], wanted: Mapping[UUID, int]
) -> dict[UUID, int]:
    """The phase of each task that gets one. `groups` as they must come."""
    group_of = {task: number for number, group in enumerate(groups) for task in group}
    needed = [
        {group_of[need] for task in group for need in needs.get(task, ()) if need in group_of} - {number}
        for number, group in enumerate(groups)
    ]
    asked = {
        number: max(places)
        for number, group in enumerate(groups)
        if (places := [wanted[task] for task in group if task in wanted])
    }
    phase = dict(asked)
    # Backwards: who was left out, and is needed, comes with the first who needs it.
    for number in reversed(range(len(groups))):
        if number in phase:
            for other in needed[number] - asked.keys():
                phase[other] = min(phase.get(other, phase[number]), phase[number])
    # Forwards: nobody stands in a phase before one that is needed.
    for number in range(len(groups)):
        if number in phase:
            phase[number] = max(phase[number], *(phase[other] for other in needed[number]), 0)
    return {task: phase[number] for task, number in group_of.items() if number in phase}


def by_dependencies(project: Project, tasks: Sequence[Task], why: str) -> Choice:
    """Phases from dependencies alone: what needs nothing comes first, then what builds on it, in at most BY_DEPENDENCIES phases.

    Where no task needs another one, priorities make the phases. `why` says for people why no model made the plan.
    """
    mine = {task.id: task for task in sorted(tasks, key=_urgency)}
    groups = in_order(_preferred(project, set(mine), {}), project.needs)
    level: dict[UUID, int] = {}
    for group in groups:
        below = [
            level[need] for task in group for need in project.needs.get(task, ()) if need in level and need not in group
        ]
        level |= dict.fromkeys(group, max(below, default=-1) + bool(mine.keys() & set(group)))
    depth = 1 + max((level[task] for task in mine), default=0)
    if depth == 1:
        names = [(name, [task for task in mine if _rank(mine[task]) == rank]) for rank, name in enumerate(_BY_PRIORITY)]
    else:
        count = min(depth, BY_DEPENDENCIES)
        names = [
            (name, [task for task in mine if level[task] * count // depth == step])
            for step, name in enumerate(_NAMES[count])
        ]
    phases = tuple(
        ChosenPhase(name, tasks=tuple(ChosenTask(task) for task in listed)) for name, listed in names if listed
    )
    return Choice(phases, "dependencies", summary=why)


def _urgency(task: Task) -> tuple[int, datetime]:
    return _rank(task), task.due_date or datetime.max.replace(tzinfo=UTC)


def _rank(task: Task) -> int:
    return 0 if task.status == "in_progress" else _PRIORITY[task.priority]
