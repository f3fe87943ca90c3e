"""What a brain dump proposes: operations, each of its own type, as they come from a model, are stored and shown.

Keys are the names of the columns they fill. A reference (`project`, `task`, `note`, `depends_on`) is the id of one of the user's
own rows, or the `ref` under which another operation of the same plan creates one. null means "not said": nothing is emptied.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from app.identity.users import CANONICAL_UUID
from app.queue.models import FIRST_YEAR, LAST_YEAR

MOST_OPERATIONS = 200  # in a plan
LONGEST_TITLE = 500  # characters
LONGEST_WORDS = 60_000  # characters of a description or note: more than a whole brain dump


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain the character NUL")
    return value


def _no_id(value: str) -> str:
    if CANONICAL_UUID.fullmatch(value):
        raise ValueError("a ref is a name of your own, not an id")
    return value


def _moment(value: Any) -> Any:
    """A day or a point in time stays the text it is, once it can be read as one."""
    try:
        read = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("expects a date as 2026-12-24 or a time as 2026-12-24T14:00") from None
    if not FIRST_YEAR <= read.year <= LAST_YEAR:
        raise ValueError(f"expects a year from {FIRST_YEAR} to {LAST_YEAR}")
    return value


Title = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TITLE, pattern=r"\S"), AfterValidator(_storable)]
Words = Annotated[str, StringConstraints(max_length=LONGEST_WORDS), AfterValidator(_storable)]
Ref = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$"), AfterValidator(_no_id)]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Moment = Annotated[str, BeforeValidator(_moment)]
TaskStatus = Literal["backlog", "in_progress", "blocked", "done"]
Priority = Literal["low", "medium", "high"]
ProjectStatus = Literal["active", "paused", "completed", "archived"]


class Operation(BaseModel):
    """Base of all; keys a model makes up are dropped."""

    model_config = ConfigDict(extra="ignore", defer_build=True)


class _Update(Operation):
    """An update that says nothing is none."""

    @model_validator(mode="after")
    def _changes_something(self) -> _Update:
        if not self.changes():
            raise ValueError("changes nothing")
        return self

    def changes(self) -> dict[str, Any]:
        """The columns it sets."""
        return self.model_dump(exclude={"op", self.op.removeprefix("update_")}, exclude_none=True)


class CreateProject(Operation):
    op: Literal["create_project"]
    ref: Ref | None = None
    name: Title
    description: Words | None = None
    context: Words | None = None


class UpdateProject(_Update):
    op: Literal["update_project"]
    project: Reference
    name: Title | None = None
    description: Words | None = None
    context: Words | None = None
    status: ProjectStatus | None = None


class CreateTask(Operation):
    op: Literal["create_task"]
    ref: Ref | None = None
    project: Reference | None = None
    title: Title
    description: Words | None = None
    status: TaskStatus = "backlog"
    priority: Priority = "medium"
    start_date: Moment | None = None
    due_date: Moment | None = None


class UpdateTask(_Update):
    op: Literal["update_task"]
    task: Reference
    project: Reference | None = None
    title: Title | None = None
    description: Words | None = None
    status: TaskStatus | None = None
    priority: Priority | None = None
    start_date: Moment | None = None
    due_date: Moment | None = None


class CreateNote(Operation):
    op: Literal["create_note"]
    ref: Ref | None = None
    project: Reference | None = None
    title: Title | None = None
    content: Words


class UpdateNote(_Update):
    """`append` is put after what the note says, `content` takes its place."""

    op: Literal["update_note"]
    note: Reference
    project: Reference | None = None
    title: Title | None = None
    content: Words | None = None
    append: Words | None = None


class AddDependency(Operation):
    """`task` cannot be done before `depends_on`."""

    op: Literal["add_dependency"]
    task: Reference
    depends_on: Reference


AnyOperation = Annotated[
    CreateProject | UpdateProject | CreateTask | UpdateTask | CreateNote | UpdateNote | AddDependency,
    Field(discriminator="op"),
]
Operations = TypeAdapter(Annotated[list[AnyOperation], Field(max_length=MOST_OPERATIONS)])
"""Reads and writes a list of operations."""

ContextOperation = Annotated[CreateProject | UpdateProject | CreateNote | UpdateNote, Field(discriminator="op")]
TaskOperation = Annotated[CreateTask | UpdateTask | AddDependency, Field(discriminator="op")]


class _Answer(BaseModel):
    model_config = ConfigDict(defer_build=True)


class ContextAnswer(_Answer):
    """What the call for context has to answer."""

    operations: Annotated[list[ContextOperation], Field(max_length=MOST_OPERATIONS // 2)]


class TasksAnswer(_Answer):
    """What the call for tasks has to answer."""

    operations: Annotated[list[TaskOperation], Field(max_length=MOST_OPERATIONS // 2)]


class Target(_Answer):
    """The project the text is about. `existing` names its id, `new` the name it should get."""

    kind: Literal["existing", "new", "none"] = "none"
    id: str | None = None
    name: Title | None = None
    description: Words | None = None


class AnalysisAnswer(_Answer):
    """What the preparatory call has to answer. Both of the calls after it build on it, so that their results fit together."""

    summary: Annotated[str, StringConstraints(max_length=4000), AfterValidator(_storable)] = ""
    project: Target = Target()
    has_context: bool = True
    has_tasks: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """The user's own rows that operations may refer to, and which task waits for which."""

    projects: frozenset[UUID] = frozenset()
    tasks: frozenset[UUID] = frozenset()
    notes: frozenset[UUID] = frozenset()
    waits: frozenset[tuple[UUID, UUID]] = frozenset()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a model is told of the user's work: (id, text) of each row, the latest first."""

    projects: tuple[tuple[UUID, str], ...] = ()
    tasks: tuple[tuple[UUID, str], ...] = ()
    notes: tuple[tuple[UUID, str], ...] = ()
    waits: frozenset[tuple[UUID, UUID]] = frozenset()
    today: str = ""  # the user's local date and weekday

    def known(self) -> Known:
        """What an answer of the model may refer to."""
        return Known(
            frozenset(id for id, _ in self.projects),
            frozenset(id for id, _ in self.tasks),
            frozenset(id for id, _ in self.notes),
            self.waits,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Operations, and where they come from: `model`, or `rules` with the reason why no model made them."""

    operations: list[Operation]
    source: Literal["model", "rules"]
    summary: str = ""
    model: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Dump:
    """A brain dump that is being worked on."""

    id: UUID
    user_id: UUID
    text: str
    project_id: UUID | None
    auto_accept: bool


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell whoever watches: its name and its data, as JSON. A heartbeat has the name "" and says nothing."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)


HEARTBEAT = Event("")


class PlanRefused(Exception):
    """Operations that do not fit: each problem is a sentence that begins with the operation's number, from 0."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems[:5]))
        self.problems = problems


class Unreadable(Exception):
    """A model's answer was wrong twice. The message is for the user."""
