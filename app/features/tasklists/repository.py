"""SQL of task lists: set-based, whatever the number of tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from app.features.tasklists.models import Task, TaskList
from app.formats.counts import Counts

CHUNK = 5000  # rows in one statement

# Locked: two imports for one user wait for each other instead of meeting in the middle.
_USER_ZONE = text("select timezone from users where id = :user_id for no key update")

# A project is known by its name, whoever made it, or by the name it was imported under before it got another.
_UPSERT_PROJECTS = text("""
    with incoming as (
        select lower(name) as key, 'list:' || md5(lower(name)) as external_id, name, description
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(name text, description text)
    ), known as (
        select distinct on (r.key) r.key, p.id, p.description
        from incoming r join projects p on lower(p.name) = r.key or p.external_id = r.external_id
        where p.user_id = :user_id order by r.key, (lower(p.name) = r.key) desc, p.created_at, p.id
    ), changed as (
        update projects p set description = r.description from incoming r join known k using (key)
        where p.id = k.id and r.description is not null and p.description is distinct from r.description
        returning p.id
    ), made as (
        insert into projects (user_id, name, description, external_id)
        select :user_id, r.name, r.description, r.external_id
        from incoming r where not exists (select from known k where k.key = r.key)
        returning id, external_id
    )
    select r.key, coalesce(k.id, m.id) as id, m.id is not null as added, c.id is not null as updated
    from incoming r
    left join known k using (key) left join made m using (external_id) left join changed c on c.id = k.id
""")

_UPSERT_TASKS = text("""
    with incoming as (
        select * from jsonb_to_recordset(cast(:rows as jsonb)) as r(
            external_id text, project_id uuid, title text, description text, status text, priority text,
            start_date timestamptz, due_date timestamptz, all_day boolean, completed_at timestamptz,
            recurrence text, cancelled boolean)
    ), given as (
        select unnest(cast(:given as text[])) as field
    ), resolved as (
        select r.external_id, r.title,
            case when t.id is null or 'project' in (select field from given) then r.project_id else t.project_id end as project_id,
            case when t.id is null or 'description' in (select field from given) then r.description else t.description end as description,
            case when t.id is null or 'status' in (select field from given) then r.status else t.status end as status,
            case when t.id is null or 'priority' in (select field from given) then r.priority else t.priority end as priority,
            case when t.id is null or 'start_date' in (select field from given) then r.start_date else t.start_date end as start_date,
            case when t.id is null or 'due_date' in (select field from given) then r.due_date else t.due_date end as due_date,
            case when t.id is null or 'due_date' in (select field from given) or 'start_date' in (select field from given)
                then r.all_day else t.all_day end as all_day,
            case when t.id is null or 'completed_at' in (select field from given) then r.completed_at
                when 'status' in (select field from given) and r.status <> 'done' then null
                else t.completed_at end as completed_at,
            case when t.id is null or 'recurrence' in (select field from given) then r.recurrence else t.recurrence end as recurrence,
            coalesce(t.deleted_at, case when r.cancelled then cast(:now as timestamptz) end) as deleted_at
        from incoming r
        left join tasks t on t.user_id = :user_id and t.external_id = r.external_id
    ), written as (
        insert into tasks as t (user_id, external_id, project_id, title, description, status, priority, start_date,
            due_date, all_day, completed_at, recurrence, deleted_at)
        select :user_id, external_id, project_id, title, description, status, priority, start_date,
            due_date, all_day, completed_at, recurrence, deleted_at from resolved
        on conflict (user_id, external_id) do update
        set project_id = excluded.project_id, title = excluded.title, description = excluded.description,
            status = excluded.status, priority = excluded.priority, start_date = excluded.start_date,
            due_date = excluded.due_date, all_day = excluded.all_day, completed_at = excluded.completed_at,
            recurrence = excluded.recurrence, deleted_at = excluded.deleted_at
        where (t.project_id, t.title, t.description, t.status, t.priority, t.start_date, t.due_date, t.all_day,
                t.completed_at, t.recurrence, t.deleted_at)
            is distinct from (excluded.project_id, excluded.title, excluded.description, excluded.status,
                excluded.priority, excluded.start_date, excluded.due_date, excluded.all_day, excluded.completed_at,
                excluded.recurrence, excluded.deleted_at)
        returning xmax = 0 as added
    )
    select count(*) filter (where added) as added, count(*) filter (where not added) as updated from written
""")

_LINK_OCCURRENCES = text("""
    update tasks t set recurrence_parent_id = p.id
    from unnest(cast(:children as text[]), cast(:parents as text[])) as l(child, parent)
    join tasks p on p.user_id = :user_id and p.external_id = l.parent
    where t.user_id = :user_id and t.external_id = l.child and t.id <> p.id
      and t.recurrence_parent_id is distinct from p.id
""")

# A task waits for its parts. Ties between two tasks of the list that it no longer has are cut.
_LINK_PARTS = text("""
    with wanted as (
        select p.id as task_id, c.id as depends_on_task_id
        from unnest(cast(:children as text[]), cast(:parents as text[])) as l(child, parent)
        join tasks c on c.user_id = :user_id and c.external_id = l.child
        join tasks p on p.user_id = :user_id and p.external_id = l.parent
        where c.id <> p.id
    ), listed as (
        select id from tasks where user_id = :user_id and external_id = any(cast(:ids as text[]))
    ), cut as (
        delete from task_dependencies d
        where d.task_id in (select id from listed) and d.depends_on_task_id in (select id from listed)
          and not exists (select from wanted w where (w.task_id, w.depends_on_task_id) = (d.task_id, d.depends_on_task_id))
    )
    insert into task_dependencies (task_id, depends_on_task_id, user_id)
    select distinct task_id, depends_on_task_id, cast(:user_id as uuid) from wanted
    on conflict do nothing
""")


def user_zone(conn: Connection, user_id: UUID) -> str | None:
    """The user's time zone as stored, the user locked until the transaction ends; None for an unknown user."""
    return conn.execute(_USER_ZONE, {"user_id": user_id}).scalar()


def store_projects(conn: Connection, user_id: UUID, task_list: TaskList) -> tuple[Counts, dict[str, str]]:
    """Make the projects that the list names and the user does not have; returns also name (small letters) → id."""
    names: dict[str, str] = {}
    for name in [*(task.project for task in task_list.tasks if task.project), *task_list.project_notes]:
        names.setdefault(name.lower(), name)
    notes = {name.lower(): about for name, about in task_list.project_notes.items()}
    rows = [{"name": name, "description": notes.get(key)} for key, name in names.items()]
    found = conn.execute(_UPSERT_PROJECTS, {"user_id": user_id, "rows": json.dumps(rows)}).all()
    added, updated = sum(row.added for row in found), sum(row.updated for row in found)
    return Counts(added, updated, len(found) - added - updated), {row.key: str(row.id) for row in found}


def store_tasks(
    conn: Connection, user_id: UUID, task_list: TaskList, projects: dict[str, str], now: datetime
) -> Counts:
    """Write the tasks; fields that the list does not give stay as they are."""
    counts = Counts()
    for start in range(0, len(task_list.tasks), CHUNK):
        rows = [_row(task, projects) for task in task_list.tasks[start : start + CHUNK]]
        values = {"user_id": user_id, "rows": json.dumps(rows), "given": sorted(task_list.given), "now": now}
        row = conn.execute(_UPSERT_TASKS, values).one()
        counts += Counts(row.added, row.updated, len(rows) - row.added - row.updated)
    return counts


def link(conn: Connection, user_id: UUID, tasks: Iterable[Task], parts: dict[str, str]) -> None:
    """Tie occurrences to their repeating task, and parts (child → parent, external ids) to the task they are part of."""
    tasks = list(tasks)
    occurrences = {task.external_id: task.recurrence_of for task in tasks if task.recurrence_of}
    if occurrences:
        conn.execute(_LINK_OCCURRENCES, {"user_id": user_id, **_pairs(occurrences)})
    ids = [task.external_id for task in tasks]
    conn.execute(_LINK_PARTS, {"user_id": user_id, "ids": ids, **_pairs(parts)})


def _pairs(links: dict[str, str]) -> dict[str, list[str]]:
    return {"children": list(links), "parents": list(links.values())}


def _row(task: Task, projects: dict[str, str]) -> dict:
    times = {name: getattr(task, name) for name in ("start_date", "due_date", "completed_at")}
    project_id = projects.get(task.project.lower()) if task.project else None
    times = {name: moment.isoformat() if moment else None for name, moment in times.items()}
    return {**vars(task), **times, "project_id": project_id}
