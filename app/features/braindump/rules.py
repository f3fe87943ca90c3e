"""Pure rules of brain dumps: a plan without a model, putting two answers together, what is wrong with a list of operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from app.features.braindump.models import (
    LONGEST_TITLE,
    AddDependency,
    CreateNote,
    CreateProject,
    CreateTask,
    Known,
    Operation,
    PlanRefused,
    Target,
)
from app.formats.components import midnight, to_utc
from app.identity.users import parse_user_id

NEW_PROJECT = "new-project"  # the ref both calls know the project by that the text asks for
MOST_TASKS = 100  # of a plan by rules; further lines go into the note
LONGEST_LINE = 100  # characters of a line without a bullet that still reads as a task

_BULLET = re.compile(r"^(?P<indent>\s*)(?:[-*+•‣–]|\d{1,3}[.)])\s+(?:\[(?P<box>[ xX])\]\s*)?(?P<words>\S.*)$")
_BOX = re.compile(r"^(?P<indent>\s*)\[(?P<box>[ xX])\]\s*(?P<words>\S.*)$")
_SENTENCE_END = (".", "!", "?", ":", "…", ";")

# The keys of an operation that refer to something, and what that has to be.
REFERENCES = {"project": "project", "task": "task", "note": "note", "depends_on": "task"}


def plan_by_rules(text: str, project: str | None) -> list[Operation]:
    """Bullets become tasks (a ticked one is done, indented lines below it describe it), everything else one note.

    A text without bullets: each short line that is no sentence becomes a task. Nothing of the text is lost.
    """
    lines = text.splitlines()
    bulleted = any(_bullet(line) for line in lines)
    tasks: list[CreateTask] = []
    rest: list[str] = []
    under: re.Match[str] | None = None  # the bullet that indented lines belong to
    for line in lines:
        found = _bullet(line) if bulleted else None
        words = found["words"].strip() if found else line.strip()
        if under is not None and not found and line.strip() and _indent(line) > len(under["indent"]):
            said = tasks[-1].description
            tasks[-1] = tasks[-1].model_copy(update={"description": f"{said}\n{line}" if said else line})
            continue
        under = None
        if (found or not bulleted and _is_task(words)) and len(tasks) < MOST_TASKS:
            tasks.append(_task(words, done=bool(found and (found["box"] or " ") in "xX"), project=project))
            under = found
        else:
            rest.append(line)
    remaining = "\n".join(rest).strip()
    note = [CreateNote(op="create_note", project=project, content=remaining)] if remaining else []
    return [*note, *tasks]


def _bullet(line: str) -> re.Match[str] | None:
    return _BULLET.match(line) or _BOX.match(line)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_task(words: str) -> bool:
    return 0 < len(words) <= LONGEST_LINE and not words.endswith(_SENTENCE_END) and not words.startswith("#")


def _task(words: str, *, done: bool, project: str | None) -> CreateTask:
    """A title that is too long is cut, and the whole line kept as the description."""
    long = len(words) > LONGEST_TITLE
    return CreateTask(
        op="create_task",
        project=project,
        title=words[: LONGEST_TITLE - 1].rstrip() + "…" if long else words,
        description=words if long else None,
        status="done" if done else "backlog",
    )


def merge(target: Target, context: Sequence[Operation], tasks: Sequence[Operation]) -> list[Operation]:
    """The answers of both calls as one plan: refs made unique, the new project created, what names no project put into the
    target's, and what is said twice said once."""
    operations = [*context, *_renamed(tasks, {op.ref for op in context if getattr(op, "ref", None)})]
    home = target.id if target.kind == "existing" else NEW_PROJECT if target.kind == "new" else None
    if home:
        operations = [
            op.model_copy(update={"project": home}) if isinstance(op, CreateTask | CreateNote) and op.project is None else op
            for op in operations
        ]
    operations = list(_once(operations))
    created = any(isinstance(op, CreateProject) and op.ref == NEW_PROJECT for op in operations)
    used = any(getattr(op, key, None) == NEW_PROJECT for op in operations for key in REFERENCES)
    if used and not created and target.name:
        first = CreateProject(op="create_project", ref=NEW_PROJECT, name=target.name, description=target.description)
        operations.insert(0, first)
    return operations


def _renamed(operations: Sequence[Operation], taken: set[str]) -> list[Operation]:
    """Refs that the other answer has taken get a number."""
    own = [op.ref for op in operations if getattr(op, "ref", None)]
    names: dict[str, str] = {}
    for ref in own:
        if ref in taken:
            number = next(n for n in range(2, 1000) if f"{ref[:36]}-{n}" not in taken and f"{ref[:36]}-{n}" not in own)
            names[ref] = f"{ref[:36]}-{number}"
    if not names:
        return list(operations)
    keys = ("ref", *REFERENCES)
    return [
        op.model_copy(update={key: names[value] for key in keys if (value := getattr(op, key, None)) in names})
        for op in operations
    ]


def _once(operations: Iterable[Operation]) -> Iterable[Operation]:
    """Without repetitions. A task with a ref stays: another operation may name it."""
    seen = set()
    for op in operations:
        what = op.model_dump_json(exclude={"ref"})
        if what in seen and not getattr(op, "ref", None):
            continue
        seen.add(what)
        yield op


def check(operations: Sequence[Operation], known: Known, also: Iterable[str] = ()) -> None:
    """Raise PlanRefused unless every reference leads to a row of `known` or to what an operation creates, and no task waits
    for itself. `also`: refs of projects that are created elsewhere."""
    problems: list[str] = []
    created = dict.fromkeys(also, "project")
    for number, op in enumerate(operations):
        ref = getattr(op, "ref", None)
        if ref in created and ref is not None:
            problems.append(f"operations.{number}.ref: {ref!r} is used twice")
        elif ref is not None:
            created[ref] = op.op.removeprefix("create_")
    rows = {"project": known.projects, "task": known.tasks, "note": known.notes}
    for number, op in enumerate(operations):
        for key, kind in REFERENCES.items():
            value = getattr(op, key, None)
            if value is None:
                continue
            row = parse_user_id(value)
            if row is None and created.get(value) != kind:
                problems.append(f"operations.{number}.{key}: nothing here creates a {kind} {value!r}")
            elif row is not None and row not in rows[kind]:
                problems.append(f"operations.{number}.{key}: there is no {kind} {value}")
    problems += _circles(operations, known)
    if problems:
        raise PlanRefused(problems)


def _circles(operations: Sequence[Operation], known: Known) -> list[str]:
    """The dependencies that would make a task wait for itself, in the order they are added."""
    waits: dict[str, set[str]] = {}
    for task, other in known.waits:
        waits.setdefault(str(task), set()).add(str(other))
    problems = []
    for number, op in enumerate(operations):
        if not isinstance(op, AddDependency):
            continue
        task, other = (str(parse_user_id(value) or value) for value in (op.task, op.depends_on))
        if _reaches(waits, other, task):
            problems.append(f"operations.{number}: the task would wait for itself")
        else:
            waits.setdefault(task, set()).add(other)
    return problems


def _reaches(waits: dict[str, set[str]], start: str, goal: str) -> bool:
    ahead, seen = [start], set()
    while ahead:
        task = ahead.pop()
        if task == goal:
            return True
        if task not in seen:
            seen.add(task)
            ahead += waits.get(task, ())
    return False


def rows_named(operations: Sequence[Operation]) -> dict[str, set[UUID]]:
    """The ids that operations refer to, by kind."""
    found: dict[str, set[UUID]] = {"project": set(), "task": set(), "note": set()}
    for op in operations:
        for key, kind in REFERENCES.items():
            if (value := getattr(op, key, None)) and (row := parse_user_id(value)):
                found[kind].add(row)
    return found


def instant(moment: str, zone: ZoneInfo) -> tuple[datetime, bool]:
    """A day or a time as (instant in UTC, whether it is a day); what names no offset is local time in `zone` (CONTRACT 7)."""
    if len(moment) == 10:
        return midnight(date.fromisoformat(moment), zone.key), True
    read = datetime.fromisoformat(moment)
    return to_utc(read, None if read.tzinfo else zone), False
