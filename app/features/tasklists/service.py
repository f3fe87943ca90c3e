"""Task lists into the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from app.features.tasklists import repository
from app.features.tasklists.csv_list import read_csv
from app.features.tasklists.models import Task, TaskChanges, TaskList
from app.features.tasklists.todoist import is_todoist, read_todoist
from app.features.tasklists.todos import read_todos
from app.formats.ics import Entry
from app.formats.problems import ImportProblem, Notes
from app.formats.table import read_table
from app.formats.zones import iana_name


def import_table(
    conn: Connection, user_id: UUID, text: str, file_name: str, now: datetime, notes: Notes
) -> TaskChanges:
    """Store a CSV list, ours or Todoist's by its columns, in the caller's transaction.

    The same list again changes nothing; rows that a later list no longer has stay. Wrong rows are refused in `notes`.
    Raises ImportProblem for a text that is no list, and for an unknown user.
    """
    table, zone = read_table(text, notes), _zone(conn, user_id)
    if is_todoist(table):
        return _store(conn, user_id, read_todoist(table, file_name, zone, now, notes), now)
    return _store(conn, user_id, read_csv(table, file_name, zone, notes), now)


def import_todos(
    conn: Connection, user_id: UUID, entries: Sequence[Entry], file_name: str, now: datetime, notes: Notes
) -> TaskChanges:
    """Store the VTODOs among the entries of an iCalendar file, likewise."""
    return _store(conn, user_id, read_todos(entries, file_name, _zone(conn, user_id), notes), now)


def _store(conn: Connection, user_id: UUID, task_list: TaskList, now: datetime) -> TaskChanges:
    if not task_list.tasks:
        return TaskChanges()
    projects, ids = repository.store_projects(conn, user_id, task_list)
    tasks = repository.store_tasks(conn, user_id, task_list, ids, now)
    repository.link(conn, user_id, task_list.tasks, parts(task_list.tasks))
    return TaskChanges(tasks, projects)


def parts(tasks: Iterable[Task]) -> dict[str, str]:
    """child → parent (external ids) where the list holds both; ties that would close a circle are left out."""
    known = {task.external_id: task.parent for task in tasks}
    result: dict[str, str] = {}
    for child, parent in known.items():
        above = parent
        while above is not None and above != child:
            above = result.get(above)
        if above is None and parent in known:
            result[child] = parent
    return result


def _zone(conn: Connection, user_id: UUID) -> str:
    stored = repository.user_zone(conn, user_id)
    if stored is None:
        raise ImportProblem("the user is unknown")
    return iana_name(stored) or "UTC"
