"""Short words for projects, choices and plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.features.phases.models import Choice, ChosenPhase, ChosenTask, Plan, Project, StoredPhase, Task


def number(name: int) -> UUID:
    """The id of task `name`."""
    return UUID(int=name)


def project(
    tasks: Sequence[Task] | int, needs: dict[int, set[int]] | None = None, phases: Sequence[Sequence[int]] = ()
) -> Project:
    """Tasks 1, 2, … where a number is given; `needs` and `phases` by those numbers."""
    made = [task(name) for name in range(1, tasks + 1)] if isinstance(tasks, int) else list(tasks)
    return Project(
        UUID(int=1000), "Garden", "", "", tuple(made),
        {number(name): frozenset(map(number, found)) for name, found in (needs or {}).items()},
        tuple(StoredPhase(UUID(int=2000 + n), f"old {n}", "", None, tuple(map(number, listed))) for n, listed in enumerate(phases)),
    )  # fmt: skip


def task(name: int, **values: Any) -> Task:
    return Task(number(name), f"Task {name}", **values)


def choice(*phases: Sequence[int]) -> Choice:
    """Phases as a model might want them."""
    return Choice(
        tuple(
            ChosenPhase(f"P{n}", tasks=tuple(ChosenTask(number(name)) for name in listed))
            for n, listed in enumerate(phases)
        ),
        "model",
    )


def shape(plan: Plan | Choice) -> list[list[int]]:
    """The numbers of the tasks, phase by phase."""
    return [[each.id.int for each in phase.tasks] for phase in plan.phases]
