"""CSV lists, Todoist's export and VTODOs → tasks, without a database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.features.tasklists.csv_list import read_csv
from app.features.tasklists.models import Task, TaskList
from app.features.tasklists.rules import file_project
from app.features.tasklists.service import parts
from app.features.tasklists.todoist import is_todoist, read_todoist
from app.features.tasklists.todos import read_todos
from app.formats.ics import read_entries
from app.formats.problems import ImportProblem, Notes
from app.formats.table import read_table
from app.formats.text import decode
from tests.support.calendars import calendar

ZONE = "America/New_York"
NOW = datetime(2026, 2, 4, 20, tzinfo=UTC)


def own(text: str) -> tuple[TaskList, list[str], list[str]]:
    notes = Notes()
    task_list = read_csv(read_table(text, notes), "Home.csv", ZONE, notes)
    return task_list, [str(problem) for problem in notes.problems], notes.warnings


def todoist(
    *rows: str, head: str = "TYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,DATE,TIMEZONE,DEADLINE"
) -> tuple[TaskList, list[str], list[str]]:
    notes = Notes()
    table = read_table("\n".join([head, *rows]), notes)
    assert is_todoist(table)
    return (
        read_todoist(table, "Work [220474322].csv", ZONE, NOW, notes),
        [str(p) for p in notes.problems],
        notes.warnings,
    )


def todos(*entries: str, head: str = "") -> tuple[list[Task], list[str]]:
    notes = Notes()
    text = calendar(*(f"BEGIN:VTODO\n{entry}\nEND:VTODO" for entry in entries), head=head)
    task_list = read_todos(read_entries(text, notes), "Chores.ics", ZONE, notes)
    return list(task_list.tasks), [str(problem) for problem in notes.problems]


def test_every_column_of_our_header():
    [task] = own(
        "project,title,description,status,priority,start_date,due_date,completed_at,external_id,recurrence\n"
        'Site,Buy a domain,"Two lines,\nquoted",done,high,2026-02-01,2026-02-05,2026-02-04T10:00Z,d-1,FREQ=WEEKLY'
    )[0].tasks
    assert task == Task(
        external_id="d-1", project="Site", title="Buy a domain", description="Two lines,\nquoted", status="done", priority="high",
        start_date=datetime(2026, 2, 1, 5, tzinfo=UTC), due_date=datetime(2026, 2, 5, 5, tzinfo=UTC), all_day=True,
        completed_at=datetime(2026, 2, 4, 10, tzinfo=UTC), recurrence="FREQ=WEEKLY",
    )  # fmt: skip


def test_a_title_is_enough():
    [task] = own("title\nBuy milk\n")[0].tasks
    assert (task.project, task.title, task.status, task.priority, task.due_date) == (
        "Home",
        "Buy milk",
        "backlog",
        "medium",
        None,
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
def test_separators_order_and_spelling_of_columns(delimiter: str, start: str):
    text = start + f'Due Date{delimiter}TITLE\n2026-02-05{delimiter}"a{delimiter}b"\n'
    [task] = own(text)[0].tasks
    assert (task.title, task.due_date) == (" ".join(f"a{delimiter}b".split()), datetime(2026, 2, 5, 5, tzinfo=UTC))


def test_excels_note_of_its_separator():
    assert [task.title for task in own("sep=;\ntitle;priority\na, b;low\n")[0].tasks] == ["a, b"]


@pytest.mark.parametrize(
    ("value", "due", "all_day"),
    [
        ("2026-07-01", datetime(2026, 7, 1, 4, tzinfo=UTC), True),
        ("2026-07-01T09:30", datetime(2026, 7, 1, 13, 30, tzinfo=UTC), False),
        ("2026-07-01 09:30", datetime(2026, 7, 1, 13, 30, tzinfo=UTC), False),
        ("2026-07-01T09:30:00Z", datetime(2026, 7, 1, 9, 30, tzinfo=UTC), False),
        ("2026-07-01T09:30+02:00", datetime(2026, 7, 1, 7, 30, tzinfo=UTC), False),
        ("2026-07-01 09:30 Europe/Berlin", datetime(2026, 7, 1, 7, 30, tzinfo=UTC), False),
        ("2026-07-01 Europe/Berlin", datetime(2026, 6, 30, 22, tzinfo=UTC), True),
        ("2026-03-08T02:30", datetime(2026, 3, 8, 7, 30, tzinfo=UTC), False),  # skipped by the clocks: forward
        ("2026-11-01T01:30", datetime(2026, 11, 1, 5, 30, tzinfo=UTC), False),  # there twice: the first
    ],
)
def test_dates(value: str, due: datetime, all_day: bool):
    [task] = own(f"title,due_date\na,{value}")[0].tasks
    assert (task.due_date, task.all_day) == (due, all_day)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("due_date,2026-13-01", "line 3: due_date is not a date (2026-12-24) or time (2026-12-24T14:00+01:00): 2026-13-01"),
        ("due_date,tomorrow", "line 3: due_date is not a date (2026-12-24) or time (2026-12-24T14:00+01:00): tomorrow"),
        ("due_date,20261224", "line 3: due_date is not a date (2026-12-24) or time (2026-12-24T14:00+01:00): 20261224"),
        ("due_date,2026-07-01 09:30 Mars/Base", "line 3: due_date names an unknown time zone: Mars/Base"),
        ("due_date,0001-01-01T00:00+14:00", "line 3: due_date is not a date (2026-12-24) or time (2026-12-24T14:00+01:00): 0001-01-01T00:00+14:00"),
        ("status,maybe", "line 3: status is not one of backlog, in_progress, blocked, done: maybe"),
        ("priority,7", "line 3: priority is not one of low, medium, high: 7"),
        ("recurrence,weekly", "line 3: RRULE weekly cannot be used: WEEKLY is not a part of a rule"),
        ("external_id,one", "line 3: external_id one is there twice"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named_and_the_rest_is_read(row: str, problem: str):
    column, value = row.split(",", 1)
    good = "one" if column == "external_id" else ""
    task_list, problems, _ = own(f"title,{column}\nfirst,{good}\nsecond,{value}\nthird,\n")
    assert problems == [problem]
    assert [task.title for task in task_list.tasks] == ["first", "third"]


def test_rows_without_a_title_with_too_many_cells_or_with_an_open_quote():
    task_list, problems, _ = own('title,status\n"a\nb",\n,done\nx,done,more\nc,done\n"never closed,\n')
    assert [task.title for task in task_list.tasks] == ["a b", "c"]
    assert problems == [
        "line 5: has 3 cells for 2 columns (a text that holds the separator needs quotes)",
        "line 7: a quoted text is not closed",
        "line 4: has no title",
    ]


def test_unknown_columns_are_said_and_a_table_without_a_title_is_refused():
    assert own("title,colour,Owner\na,red,me")[2] == [
        "the column colour is unknown and is left out",
        "the column owner is unknown and is left out",
    ]
    with pytest.raises(ImportProblem, match="has no column title"):
        own("name,colour\na,red")
    with pytest.raises(ImportProblem, match="the column title is there twice"):
        own("title,Title\na,b")


def test_what_is_done():
    assert own("title,completed_at\na,2026-02-01T10:00Z")[0].tasks[0].status == "done"
    assert own("title,status,completed_at\na,backlog,2026-02-01")[1] == [
        "line 2: has completed_at, but its status is backlog"
    ]
    assert {task.status for task in own("title,status\na,In Progress\nb,doing\nc,IN-PROGRESS")[0].tasks} == {
        "in_progress"
    }


def test_ids_stay_the_same_and_differ():
    ids = [task.external_id for task in own("title\na\nb\na\n")[0].tasks]
    assert len(set(ids)) == 3
    assert [task.external_id for task in own("title,priority\nnew,\na,high\nb,\na,\n")[0].tasks][1:] == ids


def test_the_list_speaks_only_of_its_columns():
    assert own("title,priority\na,low")[0].given == {"title", "priority"}
    assert own("title,completed_at\na,")[0].given == {"title", "completed_at", "status"}


def test_todoist_rows():
    task_list, problems, warnings = todoist(
        "meta,view_style=list,,,,,,",
        "note,About the project,,,,,,",
        "task,Pack bags @travel @home,Two of them,1,1,tomorrow at 9am,Europe/London,2026-03-01",
        "note,Check the weather,,,,,,",
        "task,Passport,,2,2,,,",
        "task,Photo,,3,3,,,",
        "task,Tickets,,4,2,,,",
        ",,,,,,,",
        "section,Later,,,,,,",
        "task,* Water plants,,,1,every friday,,",
        "task,Pay,,4,,,,2026-03-01",
        "task,Dream,,4,1,jährlich,,",
    )
    bags, passport, photo, tickets, plants, pay, dream = task_list.tasks
    assert problems == []
    assert warnings == ["line 13: the date is not understood and kept in the description: jährlich"]
    assert {task.project for task in task_list.tasks} == {"Work"}
    assert task_list.project_notes == {"Work": "About the project"}
    assert (bags.title, bags.priority, bags.due_date, bags.all_day) == (
        "Pack bags",
        "high",
        datetime(2026, 2, 5, 9, tzinfo=UTC),
        False,
    )
    assert bags.description == "Two of them\n\nTags: travel, home\nDeadline: 2026-03-01\n\nNote: Check the weather"
    assert [task.priority for task in (passport, photo, tickets, plants)] == ["medium", "medium", "low", "medium"]
    assert [task.parent for task in (bags, passport, photo, tickets, plants)] == [
        None, bags.external_id, passport.external_id, bags.external_id, None,
    ]  # fmt: skip
    assert (plants.title, plants.recurrence, plants.due_date) == (
        "Water plants",
        "FREQ=WEEKLY;BYDAY=FR",
        datetime(2026, 2, 6, 5, tzinfo=UTC),
    )
    assert plants.description == "Section: Later"
    assert (pay.due_date, pay.all_day) == (datetime(2026, 3, 1, 5, tzinfo=UTC), True)
    assert (dream.due_date, dream.description) == (None, "Section: Later\nDate: jährlich")


def test_todoist_rows_that_are_wrong():
    task_list, problems, _ = todoist(
        "task,,,1,1,,,", "task,a,,9,1,,,", "task,b,,1,x,,,", "todo,c,,1,1,,,", "task,good,,1,1,,,", 'task,"open,,,,,'
    )
    assert [task.title for task in task_list.tasks] == ["good"]
    assert problems == [
        "line 7: a quoted text is not closed",
        "line 2: has no CONTENT",
        "line 3: PRIORITY is not 1, 2, 3 or 4: 9",
        "line 4: INDENT is not a number from 1 to 10: x",
        "line 5: TYPE is not task, section or note: todo",
    ]


def test_todoist_today_is_the_users_day():
    """At 20:00 UTC it is still the 4th in New York; a west-of-UTC day begins hours after midnight UTC."""
    assert todoist("task,a,,1,1,today,,")[0].tasks[0].due_date == datetime(2026, 2, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "project"),
    [
        ("Work [220474322].csv", "Work"),
        ("my_list.csv", "my list"),
        ("Home (1).csv", "Home"),
        (".csv", "Imported"),
        ("a.b.ics", "a.b"),
        ("list", "list"),
    ],
)
def test_the_projects_name_from_the_files(name: str, project: str):
    assert file_project(name) == project


def test_vtodo():
    [task], problems = todos(
        "UID:t-1\nSUMMARY:Renew the passport\nDESCRIPTION:At the town hall\nCATEGORIES:home,papers\nPRIORITY:2\n"
        "DTSTART;VALUE=DATE:20260201\nDUE;VALUE=DATE:20260301\nSTATUS:IN-PROCESS\nRRULE:FREQ=YEARLY",
        head="X-WR-CALNAME:Papers",
    )
    assert problems == []
    assert task == Task(
        external_id="t-1", project="Papers", title="Renew the passport", description="At the town hall\n\nTags: home, papers",
        status="in_progress", priority="high", start_date=datetime(2026, 2, 1, 5, tzinfo=UTC),
        due_date=datetime(2026, 3, 1, 5, tzinfo=UTC), all_day=True, recurrence="FREQ=YEARLY",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "priority"),
    [("0", "medium"), ("1", "high"), ("4", "high"), ("5", "medium"), ("6", "low"), ("9", "low"), ("x", "medium")],
)
def test_vtodo_priority(value: str, priority: str):
    assert todos(f"UID:a\nSUMMARY:a\nPRIORITY:{value}")[0][0].priority == priority


@pytest.mark.parametrize(
    ("lines", "status", "cancelled"),
    [
        ("STATUS:NEEDS-ACTION", "backlog", False),
        ("STATUS:COMPLETED", "done", False),
        ("COMPLETED:20260201T100000Z", "done", False),
        ("PERCENT-COMPLETE:100", "done", False),
        ("STATUS:CANCELLED", "backlog", True),
    ],
)
def test_vtodo_status(lines: str, status: str, cancelled: bool):
    [task], _ = todos(f"UID:a\nSUMMARY:a\n{lines}")
    assert (task.status, task.cancelled) == (status, cancelled)
    assert task.completed_at == (datetime(2026, 2, 1, 10, tzinfo=UTC) if "COMPLETED:" in lines[:10] else None)


def test_vtodo_occurrences_parts_and_durations():
    series, one, part = todos(
        "UID:a\nSUMMARY:Clean\nDTSTART:20260201T100000Z\nDURATION:PT2H\nRRULE:FREQ=DAILY",
        "UID:a\nRECURRENCE-ID:20260202T100000Z\nSUMMARY:Clean\nSTATUS:COMPLETED",
        "UID:b\nSUMMARY:Sweep\nRELATED-TO:a",
    )[0]
    assert series.due_date == datetime(2026, 2, 1, 12, tzinfo=UTC)
    assert (one.external_id, one.recurrence_of, one.recurrence, one.status) == ("a/20260202T100000Z", "a", None, "done")
    assert part.parent == "a"
    assert parts([series, one, part]) == {"b": "a"}


def test_vtodo_that_is_broken():
    tasks, problems = todos("UID:a\nSUMMARY:a\nDUE:soon", "UID:b\nSUMMARY:b")
    assert problems == ["entry 1 (UID a, line 3): DUE is not a date or time: soon"]
    assert [task.title for task in tasks] == ["b"]


def test_parts_in_a_circle_are_cut():
    ring = [Task("a", None, "a", parent="b"), Task("b", None, "b", parent="c"), Task("c", None, "c", parent="a")]
    assert len(parts(ring)) == 2
    assert parts([Task("a", None, "a", parent="a"), Task("b", None, "b", parent="elsewhere")]) == {}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([b"", b"title,due_date\n", b"TYPE,CONTENT,PRIORITY,INDENT,DATE\ntask,"]), st.binary(max_size=200)
)
def test_any_bytes_end_in_a_problem_or_in_tasks(start: bytes, data: bytes):
    notes = Notes()
    try:
        table = read_table(decode(start + data), notes)
        if is_todoist(table):
            read_todoist(table, "x.csv", ZONE, NOW, notes)
        else:
            read_csv(table, "x.csv", ZONE, notes)
    except ImportProblem:
        pass


_todo_lines = st.tuples(
    st.sampled_from(["DUE", "DTSTART", "DURATION", "COMPLETED", "RECURRENCE-ID", "PRIORITY", "CATEGORIES", "RELATED-TO", "RRULE", "UID", "STATUS"]),
    st.one_of(st.sampled_from(["20260301", "20260301T023000Z", "99991231T235959", "00010101", "P1D", "P9999999D", "FREQ=DAILY", "a,b", ""]), st.text(max_size=9)),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(_todo_lines, max_size=6))
def test_any_vtodo_ends_in_a_problem_or_in_a_task(lines: list[tuple[str, str]]):
    notes = Notes()
    body = "\n".join(f"{name}:{value}" for name, value in lines)
    try:
        entries = read_entries(
            decode(f"BEGIN:VCALENDAR\nBEGIN:VTODO\n{body}\nEND:VTODO\nEND:VCALENDAR".encode("utf-8", "surrogatepass")),
            notes,
        )
    except ImportProblem:
        return
    read_todos(entries, "x.ics", ZONE, notes)
