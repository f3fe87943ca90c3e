"""The SQL of brain dumps: the row itself, and what a model is told of the user's work."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from app.features.braindump.models import Dump, Operations, Plan, Surroundings

MOST_PROJECTS, MOST_TASKS, MOST_NOTES = 60, 150, 40  # told to a model
ERROR_LENGTH = 2000  # characters kept of an error
# No stream lasts that long (planning.LONGEST and what comes after it): a row that still says so was left by a dead process.
DEAD_AFTER = timedelta(minutes=15)

COLUMNS = (
    "id", "user_id", "project_id", "queue_job_id", "status", "text", "auto_accept", "summary", "operations", "plan_source",
    "plan_reason", "llm_model", "result", "error", "started_at", "proposed_at", "applied_at", "created_at", "updated_at",
)  # fmt: skip
_SELECT = "select " + ", ".join(COLUMNS) + " from brain_dumps"


def find(conn: Connection, dump_id: UUID, *, lock: bool = False) -> Row | None:
    """The row, locked until the transaction ends where that is asked for."""
    return conn.execute(text(f"{_SELECT} where id = :id for no key update" if lock else f"{_SELECT} where id = :id"), {"id": dump_id}).first()


def find_by_job(conn: Connection, job_id: UUID) -> Row | None:
    """The row of a job."""
    return conn.execute(text(f"{_SELECT} where queue_job_id = :id"), {"id": job_id}).first()


def dumps_by_id(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Those of the brain dumps that exist, by id, as the API shows them."""
    rows = conn.execute(text(f"{_SELECT} where id = any(:ids)"), {"ids": list(ids)})
    return {row.id: as_api(row) for row in rows}


def as_api(row: Row) -> dict[str, Any]:
    """A row as JSON."""
    return {name: _json(value) for name, value in row._mapping.items()}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value


def begin(
    conn: Connection, user_id: UUID, words: str, project_id: UUID | None, auto_accept: bool, now: datetime, job_id: UUID | None = None
) -> Dump:
    """A new row, being worked on; for a job that had one before, that one anew."""
    row = conn.execute(
        text("""
            insert into brain_dumps (user_id, project_id, queue_job_id, text, auto_accept, started_at)
            values (:user_id, :project_id, :job_id, :words, :auto_accept, :now)
            on conflict (queue_job_id) do update set status = 'processing', error = null, started_at = excluded.started_at
            returning id
        """),
        {
            "user_id": user_id, "project_id": project_id, "job_id": job_id, "words": words,
            "auto_accept": auto_accept, "now": now,
        },
    ).one()  # fmt: skip
    return Dump(row.id, user_id, words, project_id, auto_accept)


def owns_project(conn: Connection, user_id: UUID, project_id: UUID) -> bool:
    """Whether the project exists and is the user's."""
    query = text("select 1 from projects where id = :id and user_id = :user_id")
    return conn.execute(query, {"id": project_id, "user_id": user_id}).first() is not None


def find_timezone(conn: Connection, user_id: UUID) -> str | None:
    """The user's timezone as it is stored; None where there is no such user."""
    return conn.execute(text("select timezone from users where id = :id"), {"id": user_id}).scalar_one_or_none()


def surroundings(conn: Connection, user_id: UUID, project_id: UUID | None, today: str) -> Surroundings:
    """What the user works on: projects, open tasks and notes, those of the named project first, then the latest."""
    values = {
        "user_id": user_id, "project_id": project_id, "projects": MOST_PROJECTS, "tasks": MOST_TASKS, "notes": MOST_NOTES,
    }  # fmt: skip
    projects, tasks, notes = (
        tuple((row.id, row.words) for row in conn.execute(text(query), values)) for query in (_PROJECTS, _TASKS, _NOTES)
    )
    waits = conn.execute(
        text("select task_id, depends_on_task_id from task_dependencies where user_id = :user_id"), {"user_id": user_id}
    )
    return Surroundings(projects, tasks, notes, frozenset((row.task_id, row.depends_on_task_id) for row in waits), today)


_PROJECTS = """
    select id, left(name, 200) || coalesce(': ' || left(nullif(description, ''), 160), '') as words
    from projects where user_id = :user_id and (status = 'active' or id = :project_id)
    order by id is not distinct from :project_id desc, updated_at desc, id limit :projects
"""
_TASKS = """
    select t.id, concat_ws(' · ', left(t.title, 200), t.status, left(p.name, 80), 'due ' || to_char(t.due_date, 'YYYY-MM-DD')) as words
    from tasks t left join projects p on p.id = t.project_id
    where t.user_id = :user_id and t.status <> 'done' and t.deleted_at is null
    order by t.project_id is not distinct from :project_id desc, t.updated_at desc, t.id limit :tasks
"""
_NOTES = """
    select id, concat_ws(': ', left(nullif(title, ''), 160), left(content, 120)) as words from notes
    where user_id = :user_id
    order by project_id is not distinct from :project_id desc, updated_at desc, id limit :notes
"""


def propose(conn: Connection, dump_id: UUID, plan: Plan, now: datetime) -> bool:
    """Store the plan; it waits for a yes. False when the row is no longer being worked on."""
    done = conn.execute(
        text("""
            update brain_dumps
            set status = 'proposed', operations = cast(:operations as jsonb), summary = :summary, plan_source = :source,
                plan_reason = :reason, llm_model = :model, proposed_at = :now, error = null
            where id = :id and status = 'processing'
            returning id
        """),
        {
            "id": dump_id, "operations": Operations.dump_json(plan.operations, exclude_none=True).decode(),
            "summary": plan.summary or None, "source": plan.source, "reason": plan.reason, "model": plan.model, "now": now,
        },
    )  # fmt: skip
    return done.first() is not None


def mark_applied(conn: Connection, dump_id: UUID, result: dict[str, Any], now: datetime) -> None:
    """A proposed plan was carried out."""
    conn.execute(
        text("""
            update brain_dumps set status = 'applied', result = cast(:result as jsonb), applied_at = :now, error = null
            where id = :id and status = 'proposed'
        """),
        {"id": dump_id, "result": json.dumps(result), "now": now},
    )


def mark_ended(conn: Connection, dump_id: UUID, status: str, error: str) -> None:
    """No plan will come of this: `failed` or `cancelled`. A plan that is there stays."""
    conn.execute(
        text("update brain_dumps set status = :status, error = :error where id = :id and status = 'processing'"),
        {"id": dump_id, "status": status, "error": error.replace("\x00", "")[:ERROR_LENGTH]},
    )


def mark_job_failed(conn: Connection, job_id: UUID, error: str) -> None:
    """The run of a job failed."""
    conn.execute(
        text("update brain_dumps set status = 'failed', error = :error where queue_job_id = :id and status = 'processing'"),
        {"id": job_id, "error": error.replace("\x00", "")[:ERROR_LENGTH]},
    )


def bury(conn: Connection, user_id: UUID, now: datetime) -> None:
    """A user's streams whose process is gone are said to have failed."""
    conn.execute(
        text("""
            update brain_dumps set status = 'failed', error = 'interrupted: the server went away'
            where user_id = :user_id and status = 'processing' and queue_job_id is null and started_at < :before
        """),
        {"user_id": user_id, "before": now - DEAD_AFTER},
    )
