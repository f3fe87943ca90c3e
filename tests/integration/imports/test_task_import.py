"""Task lists into a real database."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from app.features.tasklists import TaskChanges, import_table, import_todos
from app.formats.counts import Counts
from app.formats.ics import read_entries
from app.formats.problems import Notes
from tests.integration.imports.test_calendar_import import add_user, rows
from tests.support.calendars import NOW, calendar
from tests.support.servers import Database


@pytest.fixture
def user_id(database: Database) -> UUID:
    return add_user(database, "ann@example.org", "America/New_York")


def load(database: Database, user_id: UUID, content: str, name: str = "Home.csv") -> TaskChanges:
    notes = Notes()
    with database.engine.begin() as conn:
        changes = import_table(conn, user_id, content, name, NOW, notes)
    assert not notes.problems
    return changes


def load_todos(database: Database, user_id: UUID, *entries: str) -> TaskChanges:
    notes = Notes()
    content = calendar(*(f"BEGIN:VTODO\n{entry}\nEND:VTODO" for entry in entries), head="X-WR-CALNAME:Chores")
    with database.engine.begin() as conn:
        changes = import_todos(conn, user_id, read_entries(content, notes), "x.ics", NOW, notes)
    assert not notes.problems
    return changes


def execute(database: Database, statement: str) -> None:
    with database.engine.begin() as conn:
        conn.execute(text(statement))


LIST = (
    "project,title,status,due_date\nSite,Buy a domain,backlog,2026-03-01\nSite,Write the copy,in progress,\n,Milk,,\n"
)


def test_importing_again_changes_nothing(database: Database, user_id: UUID):
    assert load(database, user_id, LIST) == TaskChanges(Counts(added=3), Counts(added=2))
    before = rows(database, "select * from tasks order by id") + rows(database, "select * from projects order by id")
    assert load(database, user_id, LIST) == TaskChanges(Counts(unchanged=3), Counts(unchanged=2))
    assert (
        rows(database, "select * from tasks order by id") + rows(database, "select * from projects order by id")
        == before
    )
    query = "select t.title, p.name, t.status, t.due_date at time zone 'America/New_York', t.all_day from tasks t join projects p on p.id = t.project_id order by 1"
    assert [(row[0], row[1], row[2], str(row[3]), row[4]) for row in rows(database, query)] == [
        ("Buy a domain", "Site", "backlog", "2026-03-01 00:00:00", True),
        ("Milk", "Home", "backlog", "None", False),
        ("Write the copy", "Site", "in_progress", "None", False),
    ]


def test_only_the_columns_of_the_list_are_written(database: Database, user_id: UUID):
    load(database, user_id, "title,external_id\nMilk,m\n")
    execute(database, "update tasks set status = 'done', completed_at = now(), priority = 'high', description = 'mine'")
    assert load(database, user_id, "title,external_id,due_date\nOat milk,m,2026-03-01\n").tasks == Counts(updated=1)
    query = "select title, status, priority, description, completed_at is null, due_date is null, all_day from tasks"
    assert rows(database, query) == [("Oat milk", "done", "high", "mine", False, False, True)]
    load(database, user_id, "title,external_id,status\nOat milk,m,backlog\n")
    assert rows(database, query) == [("Oat milk", "backlog", "high", "mine", True, False, True)]


def test_projects_are_known_by_name_and_keep_a_new_one(database: Database, user_id: UUID):
    execute(database, f"insert into projects (user_id, name) values ('{user_id}', 'SITE')")
    assert load(database, user_id, LIST).projects == Counts(added=1, unchanged=1)
    execute(database, "update projects set name = 'Household' where name = 'Home'")
    assert load(database, user_id, LIST) == TaskChanges(Counts(unchanged=3), Counts(unchanged=2))
    assert rows(database, "select name from projects order by 1") == [("Household",), ("SITE",)]


def test_a_deleted_task_stays_deleted(database: Database, user_id: UUID):
    load(database, user_id, LIST)
    execute(database, "update tasks set deleted_at = now()")
    load(database, user_id, LIST)
    assert rows(database, "select count(*) from tasks where deleted_at is null") == [(0,)]


def test_todoist_parts_are_dependencies_and_follow_the_list(database: Database, user_id: UUID):
    head = "TYPE,CONTENT,PRIORITY,INDENT\n"
    load(
        database, user_id, head + "note,About it\ntask,Trip,1,1\ntask,Pack,4,2\ntask,Tickets,4,2\n", "Holiday [12].csv"
    )
    query = "select p.title, c.title from task_dependencies d join tasks p on p.id = d.task_id join tasks c on c.id = d.depends_on_task_id order by 2"
    assert rows(database, query) == [("Trip", "Pack"), ("Trip", "Tickets")]
    assert rows(database, "select name, description from projects") == [("Holiday", "About it")]
    load(database, user_id, head + "task,Trip,1,1\ntask,Pack,4,2\ntask,Tickets,4,1\n", "Holiday [12].csv")
    # The ticket is a task of its own now, and so another one; the earlier list's stays.
    assert rows(database, query) == [("Trip", "Pack"), ("Trip", "Tickets")]
    assert rows(database, "select count(*) from tasks") == [(4,)]


def test_todos(database: Database, user_id: UUID):
    entries = (
        "UID:a\nSUMMARY:Clean\nDTSTART:20260201T100000Z\nRRULE:FREQ=DAILY",
        "UID:a\nRECURRENCE-ID:20260202T100000Z\nSUMMARY:Clean\nCOMPLETED:20260202T110000Z",
        "UID:b\nSUMMARY:Sweep\nRELATED-TO:a",
        "UID:c\nSUMMARY:Paint\nSTATUS:CANCELLED",
    )
    assert load_todos(database, user_id, *entries) == TaskChanges(Counts(added=4), Counts(added=1))
    assert load_todos(database, user_id, *entries) == TaskChanges(Counts(unchanged=4), Counts(unchanged=1))
    query = "select t.external_id, p.external_id, t.status, t.deleted_at is not null from tasks t left join tasks p on p.id = t.recurrence_parent_id order by 1"
    assert rows(database, query) == [
        ("a", None, "backlog", False), ("a/20260202T100000Z", "a", "done", False), ("b", None, "backlog", False), ("c", None, "backlog", True),
    ]  # fmt: skip
    load_todos(database, user_id, "UID:a\nSUMMARY:Clean", "UID:b\nSUMMARY:Sweep")
    assert rows(database, "select count(*) from task_dependencies") == [(0,)]
