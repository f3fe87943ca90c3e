"""What a model answers about phases: its shape, what is kept of it, and what was odd about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field

from app.features.phases.models import Choice, ChosenPhase, ChosenTask
from app.formats.plain import plain_line
from app.ports.structured import Answer

MOST_PHASES = 12
LEAST_MINUTES, MOST_MINUTES = 15, 240  # of one task, so that it fits into a day
NAME_LENGTH, DESCRIPTION_LENGTH, REASON_LENGTH = 120, 600, 300
NOTED = 20  # odd ids that are kept


def _task(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


def _minutes(value: Any) -> int | None:
    """An estimate is a wish: one that is no number is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
        return None
    return min(MOST_MINUTES, max(LEAST_MINUTES, round(value / 15) * 15))


class TaskAnswer(BaseModel):
    id: str
    minutes: Annotated[int | None, BeforeValidator(_minutes)] = None
    reason: str | None = None


class PhaseAnswer(BaseModel):
    name: Annotated[str, Field(min_length=1)]
    description: str | None = None
    tasks: list[Annotated[TaskAnswer, BeforeValidator(_task)]]


class PlanAnswer(BaseModel):
    phases: Annotated[list[PhaseAnswer], Field(min_length=1, max_length=MOST_PHASES)]
    summary: str | None = None


def problems_of(answer: PlanAnswer, known: Mapping[str, UUID]) -> Sequence[str]:
    """What makes the answer useless: a name that says nothing, or no task of the project in any phase."""
    found = [
        f"phases.{n}.name: is empty" for n, phase in enumerate(answer.phases) if not plain_line(phase.name, NAME_LENGTH)
    ]
    if not any(_find(task.id, known) for phase in answer.phases for task in phase.tasks):
        found.append("phases: none of them holds a task of the project; tasks are named by the ids they were given")
    return found


def choice_of(answer: Answer[PlanAnswer], known: Mapping[str, UUID]) -> Choice:
    """What is kept: phases with the tasks that exist, each where it was named first. Words become plain text."""
    seen: set[UUID] = set()
    unknown, doubled, phases = [], [], []
    for phase in answer.value.phases:
        tasks = []
        for said in phase.tasks:
            task = _find(said.id, known)
            if task is None:
                unknown.append(plain_line(said.id, 60))
            elif task in seen:
                doubled.append(str(task))
            else:
                seen.add(task)
                tasks.append(ChosenTask(task, said.minutes, plain_line(said.reason, REASON_LENGTH)))
        phases.append(
            ChosenPhase(
                plain_line(phase.name, NAME_LENGTH), plain_line(phase.description, DESCRIPTION_LENGTH), tuple(tasks)
            )
        )
    forgotten = [str(task) for task in known.values() if task not in seen]
    notes = {"unknown": unknown[:NOTED], "doubled": doubled[:NOTED], "left_out": forgotten, "repaired": answer.repaired}
    return Choice(
        tuple(phases),
        "model",
        answer.model,
        plain_line(answer.value.summary, DESCRIPTION_LENGTH),
        {name: value for name, value in notes.items() if value},
    )


def _find(said: str, known: Mapping[str, UUID]) -> UUID | None:
    """The task behind the short id it was given, or behind its own."""
    said = said.strip()
    if (task := known.get(said.upper())) is not None:
        return task
    try:
        own = UUID(said)
    except ValueError:
        return None
    return own if own in set(known.values()) else None
