"""Operations become rows: all of them in the caller's transaction, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from app.features.braindump.models import (
    AddDependency,
    CreateNote,
    CreateProject,
    CreateTask,
    Known,
    Operation,
    UpdateNote,
    UpdateProject,
    UpdateTask,
)
from app.features.braindump.rules import check, instant, rows_named
from app.identity.users import parse_user_id


def check_against_rows(conn: Connection, user_id: UUID, operations: Sequence[Operation], *, lock: bool = False) -> None:
    """Raise PlanRefused unless the operations fit the user's own rows as they are now.

    With `lock` nothing that they refer to can vanish before the transaction ends, and nobody else of this user's plans is
    applied meanwhile: two of them could close a circle of dependencies that neither sees.
    """
    named = rows_named(operations)
    if lock:
        conn.execute(text("select 1 from users where id = :id for no key update"), {"id": user_id})
    queries = _LOCKED if lock else _PRESENT
    rows = {
        kind: frozenset(conn.execute(text(query), {"user_id": user_id, "ids": sorted(named[kind])}).scalars())
        for kind, query in queries.items()
        if named[kind]
    }
    waits = frozenset()
    if any(isinstance(operation, AddDependency) for operation in operations):
        waits = frozenset(tuple(row) for row in conn.execute(text(_WAITS), {"user_id": user_id}))
    none = frozenset()
    check(operations, Known(rows.get("project", none), rows.get("task", none), rows.get("note", none), waits))


_PRESENT = {
    "project": "select id from projects where user_id = :user_id and id = any(:ids) order by id",
    "task": "select id from tasks where user_id = :user_id and id = any(:ids) and deleted_at is null order by id",
    "note": "select id from notes where user_id = :user_id and id = any(:ids) order by id",
}
_LOCKED = {kind: f"{query} for no key update" for kind, query in _PRESENT.items()}
_WAITS = "select task_id, depends_on_task_id from task_dependencies where user_id = :user_id"


def apply(
    conn: Connection, user_id: UUID, operations: Sequence[Operation], *, zone: ZoneInfo, now: datetime
) -> dict[str, Any]:
    """Carry out a plan. Returns `{"operations": [{"op", "id", "ref"?}], "counts": {op: n}}`, in the order of the plan.

    Raises PlanRefused before anything is written. What creates comes first and dependencies last, so an operation may refer
    to what a later one creates.
    """
    check_against_rows(conn, user_id, operations, lock=True)
    ids = [uuid4() if operation.op.startswith("create_") else None for operation in operations]
    refs = {ref: new for operation, new in zip(operations, ids, strict=True) if (ref := getattr(operation, "ref", None))}
    work = _Work(conn, user_id, refs, zone, now)
    done: dict[int, UUID] = {}
    for kinds in ((CreateProject,), (CreateTask, CreateNote), (UpdateProject, UpdateTask, UpdateNote), (AddDependency,)):
        for number, operation in enumerate(operations):
            if isinstance(operation, kinds):
                done[number] = work.carry_out(operation, ids[number])
    shown = [
        {"op": operation.op, "id": str(done[number]), **({"ref": ref} if (ref := getattr(operation, "ref", None)) else {})}
        for number, operation in enumerate(operations)
    ]
    return {"operations": shown, "counts": dict(Counter(operation.op for operation in operations))}


class _Work:
    """Carries out one operation after the other."""

    def __init__(self, conn: Connection, user_id: UUID, refs: dict[str, UUID], zone: ZoneInfo, now: datetime) -> None:
        self._conn, self._user, self._refs, self._zone, self._now = conn, user_id, refs, zone, now

    def carry_out(self, operation: Operation, new: UUID | None) -> UUID:
        """The row it made or changed; of a dependency the task that waits."""
        values = operation.model_dump() | {"new": new, "user_id": self._user, "now": self._now}
        for key in ("project", "task", "note", "depends_on"):
            if values.get(key) is not None:
                values[key] = self._refs.get(values[key]) or parse_user_id(values[key])
        if "due_date" in values:
            values |= self._dates(values["start_date"], values["due_date"])
        self._conn.execute(text(_STATEMENTS[operation.op]), values)
        return new or next(values[key] for key in ("task", "note", "project") if values.get(key))

    def _dates(self, start: str | None, due: str | None) -> dict[str, Any]:
        """Dates as instants; `all_day` says whether the one that counts is a day, null where none is given."""
        read = {"start_date": start and instant(start, self._zone), "due_date": due and instant(due, self._zone)}
        deciding = read["due_date"] or read["start_date"]
        dates = {name: value and value[0] for name, value in read.items()}
        return {**dates, "all_day": deciding[1] if deciding else None}


_STATEMENTS = {
    "create_project": """
        insert into projects (id, user_id, name, description, context) values (:new, :user_id, :name, :description, :context)
    """,
    "update_project": """
        update projects set name = coalesce(:name, name), description = coalesce(:description, description),
            context = coalesce(:context, context), status = coalesce(:status, status)
        where id = :project and user_id = :user_id
    """,
    "create_task": """
        insert into tasks (id, user_id, project_id, title, description, status, priority, start_date, due_date, all_day, completed_at)
        values (:new, :user_id, :project, :title, :description, :status, :priority, :start_date, :due_date, coalesce(:all_day, false),
                case when :status = 'done' then cast(:now as timestamptz) end)
    """,
    "update_task": """
        update tasks set project_id = coalesce(:project, project_id), title = coalesce(:title, title),
            description = coalesce(:description, description), status = coalesce(:status, status),
            priority = coalesce(:priority, priority), start_date = coalesce(:start_date, start_date),
            due_date = coalesce(:due_date, due_date), all_day = coalesce(:all_day, all_day),
            completed_at = case when coalesce(:status, status) = 'done' then coalesce(completed_at, :now) end
        where id = :task and user_id = :user_id
    """,
    "create_note": """
        insert into notes (id, user_id, project_id, title, content) values (:new, :user_id, :project, :title, :content)
    """,
    "update_note": """
        update notes set project_id = coalesce(:project, project_id), title = coalesce(:title, title),
            content = coalesce(:content, content) || coalesce(E'\n\n' || :append, '')
        where id = :note and user_id = :user_id
    """,
    "add_dependency": """
        insert into task_dependencies (task_id, depends_on_task_id, user_id) values (:task, :depends_on, :user_id)
        on conflict do nothing
    """,
}
