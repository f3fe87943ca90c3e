"""Task lists as CSV with our own header; `docs/import.md` documents it."""

from __future__ import annotations

from app.features.tasklists.models import Task, TaskList
from app.features.tasklists.rules import (
    PRIORITIES,
    STATUSES,
    Ids,
    file_project,
    known_word,
    one_line,
    parse_date,
    short_id,
)
from app.formats.problems import ImportProblem, Notes, shown
from app.formats.recurrence import parse_rule
from app.formats.table import Row, Table

COLUMNS = (
    "project", "title", "description", "status", "priority",
    "start_date", "due_date", "completed_at", "external_id", "recurrence",
)  # fmt: skip


def read_csv(table: Table, file_name: str, zone: str, notes: Notes) -> TaskList:
    """Tasks of a table with our header. Rows that are wrong are refused in `notes`, by line.

    `zone` is the IANA zone of days and of times that name none. Raises ImportProblem where there is no title column.
    """
    columns = [_column(name) for name in table.columns]
    if "title" not in columns:
        notes.problems.clear()  # of a text that is no list, the lines tell nothing
        raise ImportProblem(f"has no column title (its columns: {shown(', '.join(filter(None, table.columns)), 200)})")
    for spelled, column in zip(table.columns, columns, strict=True):
        if spelled and column not in COLUMNS:
            notes.warn(f"the column {shown(spelled)} is unknown and is left out")
    ids, default, tasks = Ids("csv"), file_project(file_name), {}
    for row in table.rows:
        row = Row(row.line, {_column(name): cell for name, cell in row.cells.items()})
        try:
            task = _task(row, default, zone, ids, notes)
        except ImportProblem as problem:
            notes.problems.append(ImportProblem(problem.message, row.where))
            continue
        if task.external_id in tasks:
            notes.problems.append(ImportProblem(f"external_id {shown(task.external_id)} is there twice", row.where))
            continue
        tasks[task.external_id] = task
    given = {name for name in columns if name in COLUMNS} - {"external_id"}
    if "completed_at" in given:
        given.add("status")
    return TaskList(tuple(tasks.values()), frozenset(given))


def _column(name: str) -> str:
    return "_".join(name.replace("-", " ").split())


def _task(row: Row, default_project: str, zone: str, ids: Ids, notes: Notes) -> Task:
    title = one_line(row.get("title"))
    if not title:
        raise ImportProblem("has no title")
    project = one_line(row.get("project")) or default_project
    start, start_is_day = parse_date(row.get("start_date"), "start_date", zone)
    due, due_is_day = parse_date(row.get("due_date"), "due_date", zone)
    completed, _ = parse_date(row.get("completed_at"), "completed_at", zone)
    status = known_word(row.get("status"), STATUSES, "status")
    if completed and not row.get("status"):
        status = "done"
    if completed and status != "done":
        raise ImportProblem(f"has completed_at, but its status is {status}")
    if start and due and due < start:
        notes.warn("due_date is before start_date", row.where)
    recurrence = parse_rule(row.get("recurrence")).text if row.get("recurrence") else None
    return Task(
        external_id=short_id(row.get("external_id")) or ids.next(project, title),
        project=project,
        title=title,
        description=row.get("description") or None,
        status=status,
        priority=known_word(row.get("priority"), PRIORITIES, "priority"),
        start_date=start,
        due_date=due,
        all_day=due_is_day if due else start_is_day,
        completed_at=completed,
        recurrence=recurrence,
    )
