"""Phases in the database: one snapshot in, one replacement out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from app.features.phases.models import Choice, Plan, PlannedPhase, Project, StoredPhase, Task
from app.formats.zones import iana_name


@dataclass(frozen=True, slots=True)
class Generation:
    """What an earlier run of a job stored."""

    phase_count: int
    backlog_count: int
    planned_by: str


def find_project(conn: Connection, project_id: UUID, user_id: UUID) -> str | None:
    """The project's name; None where there is no such project of that user."""
    return conn.execute(
        text("select name from projects where id = :id and user_id = :user_id"), {"id": project_id, "user_id": user_id}
    ).scalar()


def lock_project(conn: Connection, project_id: UUID, user_id: UUID) -> bool:
    """Keep others from replacing the project's phases until the transaction ends; False where there is no such project."""
    found = conn.execute(
        text("select 1 from projects where id = :id and user_id = :user_id for no key update"),
        {"id": project_id, "user_id": user_id},
    ).first()
    return found is not None


def find_zone(conn: Connection, user_id: UUID) -> ZoneInfo:
    """The user's time zone; UTC where what is stored is none."""
    stored = conn.execute(text("select timezone from users where id = :id"), {"id": user_id}).scalar()
    return ZoneInfo(iana_name(stored) or "UTC")


_TASKS = """
    select id, title, coalesce(left(description, 2000), '') as description, status, priority, all_day,
           -- A date that no calendar reaches is none.
           case when start_date between '0002-01-01' and '9998-01-01' then start_date end as start_date,
           case when due_date between '0002-01-01' and '9998-01-01' then due_date end as due_date
    from tasks where project_id = :id and user_id = :user_id and deleted_at is null
    order by created_at, id
"""
_READ_TASKS = text(_TASKS)
_HOLD_TASKS = text(f"{_TASKS} for key share")
_NEEDS = text(
    """
    select d.task_id, d.depends_on_task_id from task_dependencies d
    join tasks t on t.id = d.task_id and t.project_id = :id and t.deleted_at is null
    join tasks n on n.id = d.depends_on_task_id and n.project_id = :id and n.deleted_at is null
    where d.user_id = :user_id
    """
)
_PHASES = text(
    """
    select p.id, p.name, coalesce(p.description, '') as description, p.end_date,
           array(select pt.task_id from phase_tasks pt join tasks t on t.id = pt.task_id
                 where pt.phase_id = p.id and t.project_id = p.project_id and t.deleted_at is null order by pt."order") as tasks
    from phases p where p.project_id = :id order by p."order"
    """
)


def fetch(conn: Connection, project_id: UUID, user_id: UUID, zone: ZoneInfo, *, hold: bool = False) -> Project | None:
    """The project with its tasks, what they depend on, and its phases; None where there is no such project of that user.

    With `hold` no task can be removed from the database until the transaction ends.
    """
    keys = {"id": project_id, "user_id": user_id}
    project = conn.execute(
        text("select name, description, context from projects where id = :id and user_id = :user_id"), keys
    ).first()
    if project is None:
        return None
    tasks = [
        Task(
            row.id,
            row.title,
            row.description,
            row.status,
            row.priority,
            _local(row.start_date, zone),
            _local(row.due_date, zone),
            row.all_day,
        )
        for row in conn.execute(_HOLD_TASKS if hold else _READ_TASKS, keys)
    ]
    needs: dict[UUID, set[UUID]] = {}
    for task, need in conn.execute(_NEEDS, keys):
        needs.setdefault(task, set()).add(need)
    phases = [
        StoredPhase(row.id, row.name, row.description, row.end_date, tuple(row.tasks))
        for row in conn.execute(_PHASES, keys)
    ]
    return Project(
        project_id, project.name, project.description or "", project.context or "", tuple(tasks),
        {task: frozenset(found) for task, found in needs.items()}, tuple(phases),
    )  # fmt: skip


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return moment.astimezone(zone) if moment else None


# Clipped, so that no event of a thousand years, nor one without an end, is more than can be read.
_BUSY = text(
    """
    select greatest(start_time, cast(:now as timestamptz) - interval '3 days') as start,
           least(end_time, cast(:until as timestamptz) + interval '3 days') as stop, all_day, timezone
    from calendar_events
    where user_id = :user_id and status <> 'cancelled'
      and end_time > cast(:now as timestamptz) - interval '2 days' and start_time < cast(:until as timestamptz) + interval '2 days'
    union all
    -- What other projects' plans have taken already, and what stays of this one's.
    select pt.suggested_start_date, pt.suggested_end_date, false, null
    from phase_tasks pt join phases p on p.id = pt.phase_id join tasks t on t.id = pt.task_id
    where pt.user_id = :user_id and pt.suggested_end_date > :now and t.status <> 'done' and t.deleted_at is null
      and (p.project_id <> :project_id or p.id = any(:kept))
    """
)


def fetch_busy(
    conn: Connection,
    user_id: UUID,
    project_id: UUID,
    *,
    kept: Sequence[UUID],
    zone: ZoneInfo,
    now: datetime,
    until: datetime,
) -> list[tuple[datetime, datetime]]:
    """The spans from `now` to `until` in which the user has something else to do. `kept`: this project's phases that stay.

    An all-day event takes its dates, as days of the user's `zone`, wherever it was written.
    """
    keys = {"user_id": user_id, "project_id": project_id, "kept": list(kept), "now": now, "until": until}
    spans = []
    for start, stop, all_day, timezone in conn.execute(_BUSY, keys):
        if all_day:
            written = ZoneInfo(iana_name(timezone) or "UTC")
            start, stop = (datetime.combine(each.astimezone(written).date(), time(0), zone) for each in (start, stop))
        spans.append((start, stop))
    return spans


def find_generation(conn: Connection, job_id: UUID) -> Generation | None:
    """What this job stored when it ran before."""
    row = conn.execute(
        text("select phase_count, backlog_count, planned_by from phase_generations where queue_job_id = :id"),
        {"id": job_id},
    ).first()
    return Generation(*row) if row else None


_INSERT_PHASE = text(
    """
    insert into phases (user_id, project_id, name, description, "order", start_date, end_date)
    values (:user_id, :project_id, :name, :description, :order, :start_date, :end_date) returning id
    """
)
_INSERT_TASKS = text(
    """
    insert into phase_tasks (user_id, phase_id, task_id, "order", estimated_minutes, suggested_start_date, suggested_end_date, assignment_reason)
    select :user_id, :phase_id, t.task_id, t."order", t.estimated_minutes, t.suggested_start_date, t.suggested_end_date, t.assignment_reason
    from jsonb_to_recordset(cast(:tasks as jsonb)) as t(
        task_id uuid, "order" int, estimated_minutes int, suggested_start_date timestamptz, suggested_end_date timestamptz, assignment_reason text)
    """
)
_KEEP_TASKS = text(
    """
    update phase_tasks pt set "order" = k."order"
    from unnest(cast(:tasks as uuid[])) with ordinality as k(task_id, "order")
    where pt.phase_id = :phase_id and pt.task_id = k.task_id
    """
)
_INSERT_GENERATION = text(
    """
    insert into phase_generations (user_id, project_id, queue_job_id, planned_by, llm_model, scheduling_method, summary, notes, phase_count, backlog_count, created_at)
    values (:user_id, :project_id, :job_id, :planned_by, :model, :method, :summary, cast(:notes as jsonb), :phases, :backlog, :now)
    """
)


def replace_phases(
    conn: Connection,
    user_id: UUID,
    project_id: UUID,
    plan: Plan,
    choice: Choice,
    *,
    job_id: UUID,
    method: str,
    now: datetime,
) -> None:
    """Put the plan in the place of the project's phases, in the caller's transaction; phases that the plan keeps keep their id and dates."""
    kept = {phase.stored: phase for phase in plan.phases if phase.stored}
    conn.execute(
        text("delete from phases where project_id = :id and not id = any(:kept)"),
        {"id": project_id, "kept": list(kept)},
    )
    staying = [task.id for phase in kept.values() for task in phase.tasks]
    moving = [task.id for phase in plan.phases if not phase.stored for task in phase.tasks]
    conn.execute(
        text(
            "delete from phase_tasks where phase_id = any(:kept) and not task_id = any(:staying) or task_id = any(:moving)"
        ),
        {"kept": list(kept), "staying": staying, "moving": moving},
    )
    for number, phase in enumerate(plan.phases, 1):
        if phase.stored:
            conn.execute(
                text('update phases set "order" = :order where id = :id'), {"order": number, "id": phase.stored}
            )
            conn.execute(_KEEP_TASKS, {"phase_id": phase.stored, "tasks": [task.id for task in phase.tasks]})
        else:
            _insert(conn, user_id, project_id, number, phase)
    conn.execute(text("update projects set phases_generated = true where id = :id"), {"id": project_id})
    values: Mapping[str, Any] = {
        "user_id": user_id, "project_id": project_id, "job_id": job_id, "planned_by": choice.planned_by, "model": choice.model,
        "method": method, "summary": choice.summary or None, "notes": json.dumps(plan.notes), "phases": len(plan.phases),
        "backlog": len(plan.backlog), "now": now,
    }  # fmt: skip
    conn.execute(_INSERT_GENERATION, values)


def _insert(conn: Connection, user_id: UUID, project_id: UUID, number: int, phase: PlannedPhase) -> None:
    values = {
        "user_id": user_id, "project_id": project_id, "name": phase.name, "description": phase.description or None, "order": number,
        "start_date": phase.start_date, "end_date": phase.end_date,
    }  # fmt: skip
    phase_id = conn.execute(_INSERT_PHASE, values).scalar_one()
    tasks = [
        {
            "task_id": str(task.id), "order": place, "estimated_minutes": task.minutes, "assignment_reason": task.reason or None,
            "suggested_start_date": task.start.isoformat() if task.start else None,
            "suggested_end_date": task.end.isoformat() if task.end else None,
        }
        for place, task in enumerate(phase.tasks, 1)
    ]  # fmt: skip
    conn.execute(_INSERT_TASKS, {"user_id": user_id, "phase_id": phase_id, "tasks": json.dumps(tasks)})
