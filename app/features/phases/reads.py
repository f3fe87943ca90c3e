"""A project's phases as HTTP and Socket.IO show them (CONTRACT 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

_PHASES = text(
    """
    select id, name, description, "order", start_date, end_date, created_at, updated_at
    from phases where project_id = :project_id order by "order"
    """
)
_TASKS = text(
    """
    select pt.phase_id, t.id, t.title, t.status, t.priority, t.start_date, t.due_date, t.all_day, pt."order", pt.estimated_minutes,
           pt.suggested_start_date, pt.suggested_end_date, pt.assignment_reason
    from phases p join phase_tasks pt on pt.phase_id = p.id join tasks t on t.id = pt.task_id
    where p.project_id = :project_id and t.project_id = p.project_id and t.deleted_at is null order by p."order", pt."order"
    """
)
_BACKLOG = text(
    """
    select id, title, status, priority, start_date, due_date, all_day from tasks t
    where project_id = :project_id and deleted_at is null and status <> 'done'
      and not exists (select from phase_tasks pt join phases p on p.id = pt.phase_id where pt.task_id = t.id and p.project_id = t.project_id)
    order by created_at, id
    """
)
_GENERATION = text(
    """
    select planned_by, llm_model, scheduling_method, summary, notes, created_at
    from phase_generations where project_id = :project_id order by created_at desc, id desc limit 1
    """
)
_BY_ID = text(
    """
    select id, user_id, project_id, name, description, "order", start_date, end_date, created_at, updated_at from phases where id = any(:ids)
    """
)

_PROJECTS = text(
    """
    select p.id, p.name, p.description, p.status, p.phases_generated, p.updated_at,
           (select count(*) from phases h where h.project_id = p.id) as phase_count,
           coalesce(t.open, 0) as open_tasks, coalesce(t.done, 0) as done_tasks
    from projects p
    left join (
        select project_id, count(*) filter (where status <> 'done') as open, count(*) filter (where status = 'done') as done
        from tasks where user_id = :user_id and deleted_at is null group by project_id
    ) t on t.project_id = p.id
    where p.user_id = :user_id order by p.status <> 'active', p.name, p.id limit :limit
    """
)
MOST_PROJECTS = 1000


def list_projects(conn: Connection, user_id: UUID) -> list[dict[str, Any]]:
    """A user's projects by name, active ones first, with how many tasks and phases each has; `MOST_PROJECTS` at most."""
    return [_as_api(row) for row in conn.execute(_PROJECTS, {"user_id": user_id, "limit": MOST_PROJECTS})]


def find_plan(conn: Connection, project_id: UUID) -> dict[str, Any]:
    """`{projectId, phases, backlogTasks, generation}`: phases with their tasks in order, the open tasks that are in none, and how it came about."""
    keys = {"project_id": project_id}
    phases = [{**_as_api(row), "tasks": []} for row in conn.execute(_PHASES, keys)]
    by_id = {phase["id"]: phase for phase in phases}
    for row in conn.execute(_TASKS, keys):
        task = _as_api(row)
        if phase := by_id.get(task.pop("phase_id")):
            phase["tasks"].append(task)
    generation = conn.execute(_GENERATION, keys).first()
    return {
        "projectId": str(project_id),
        "phases": phases,
        "backlogTasks": [_as_api(row) for row in conn.execute(_BACKLOG, keys)],
        "generation": _as_api(generation) if generation else None,
    }


def owner_of(conn: Connection, project_id: UUID) -> UUID | None:
    """Whose project it is; None where there is none."""
    return conn.execute(text("select user_id from projects where id = :id"), {"id": project_id}).scalar()


def count_tasks(conn: Connection, project_id: UUID, statuses: Sequence[str]) -> int:
    """How many tasks of these statuses the project has."""
    return conn.execute(
        text("select count(*) from tasks where project_id = :id and deleted_at is null and status = any(:statuses)"),
        {"id": project_id, "statuses": list(statuses)},
    ).scalar_one()


def phases_by_id(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Those of the phases that exist, by id, without their tasks."""
    return {row.id: _as_api(row) for row in conn.execute(_BY_ID, {"ids": list(ids)})}


def _as_api(row: Row) -> dict[str, Any]:
    return {name: _json(value) for name, value in row._mapping.items()}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, date | UUID) else value
