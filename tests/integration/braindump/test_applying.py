"""Operations become rows: all of them, or none."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError

from app.features.braindump.applying import apply
from app.features.braindump.models import Operations, PlanRefused
from tests.integration.braindump.conftest import NOW, World

EVERYTHING = "select (select count(*) from projects), (select count(*) from tasks), (select count(*) from notes), (select count(*) from task_dependencies)"


def carry_out(world: World, *operations: dict) -> dict:
    with world.engine.begin() as conn:
        plan = Operations.validate_python(list(operations))
        return apply(conn, world.user, plan, zone=ZoneInfo("Europe/Berlin"), now=NOW)


def test_one_operation_refers_to_what_another_creates(world: World) -> None:
    result = carry_out(
        world,
        {"op": "add_dependency", "task": "paint", "depends_on": "buy"},
        {"op": "create_task", "ref": "paint", "title": "Paint", "project": "flat"},
        {"op": "update_task", "task": str(world.task), "project": "flat"},
        {"op": "create_project", "ref": "flat", "name": "Flat"},
        {"op": "create_task", "ref": "buy", "title": "Buy paint", "project": "flat"},
        {"op": "create_note", "content": "blue <b>", "project": "flat"},
    )
    assert [item["op"] for item in result["operations"]][:2] == ["add_dependency", "create_task"]
    assert result["counts"] == {"add_dependency": 1, "create_task": 2, "update_task": 1, "create_project": 1, "create_note": 1}
    flat = result["operations"][3]["id"]
    assert result["operations"][3] == {"op": "create_project", "id": flat, "ref": "flat"}
    assert world.rows("select title from tasks where project_id = :p order by 1", p=flat) == [
        ("Buy paint",), ("Paint",), ("Publish the page",)
    ]  # fmt: skip
    assert world.rows("select content from notes where project_id = :p", p=flat) == [("blue <b>",)]
    assert world.rows(
        "select t.title, o.title from task_dependencies d join tasks t on t.id = d.task_id join tasks o on o.id = d.depends_on_task_id"
    ) == [("Paint", "Buy paint")]


def test_what_an_update_does_not_say_stays(world: World) -> None:
    carry_out(
        world,
        {"op": "update_task", "task": str(world.task), "status": "done"},
        {"op": "update_note", "note": str(world.note), "append": "and green"},
        {"op": "update_project", "project": str(world.project), "status": "paused"},
    )
    assert world.rows("select title, status, priority, completed_at from tasks") == [
        ("Publish the page", "done", "medium", NOW)
    ]
    assert world.rows("select title, content from notes") == [("Call with Anna", "blue\n\nand green")]
    assert world.rows("select name, status from projects") == [("Website", "paused")]
    carry_out(world, {"op": "update_task", "task": str(world.task), "status": "in_progress"})
    assert world.rows("select status, completed_at from tasks") == [("in_progress", None)]


def test_dates_are_the_users_own(world: World) -> None:
    carry_out(
        world,
        {"op": "create_task", "title": "a day", "due_date": "2026-12-24"},
        {"op": "create_task", "title": "an hour", "due_date": "2026-12-24T14:00", "start_date": "2026-12-24"},
    )
    assert world.rows("select title, due_date, all_day from tasks where due_date is not null order by 1") == [
        ("a day", datetime(2026, 12, 23, 23, tzinfo=UTC), True),
        ("an hour", datetime(2026, 12, 24, 13, tzinfo=UTC), False),
    ]


REFERENCES = {
    "project": ("projects", {"name": "Theirs"}, lambda id: {"op": "create_task", "title": "a", "project": id}),
    "task": ("tasks", {"title": "Theirs"}, lambda id: {"op": "update_task", "task": id, "title": "mine"}),
    "deleted task": (
        "tasks",
        {"title": "Gone", "deleted_at": NOW, "own": True},
        lambda id: {"op": "update_task", "task": id, "title": "mine"},
    ),
    "dependency": ("tasks", {"title": "Theirs"}, lambda id: {"op": "add_dependency", "task": "x", "depends_on": id}),
    "note": ("notes", {"content": "Theirs"}, lambda id: {"op": "update_note", "note": id, "append": "mine"}),
}


@pytest.mark.parametrize(("table", "values", "operation"), REFERENCES.values(), ids=REFERENCES.keys())
def test_another_users_rows_are_out_of_reach_and_nothing_happens(world: World, table, values, operation) -> None:
    owner = {} if values.get("own") else {"user_id": world.stranger}
    row = world.add(table, **{key: value for key, value in values.items() if key != "own"}, **owner)
    before = world.rows(EVERYTHING)
    with pytest.raises(PlanRefused, match=f"there is no .* {row}"):
        carry_out(world, {"op": "create_task", "ref": "x", "title": "first"}, operation(str(row)))
    assert world.rows(EVERYTHING) == before
    assert world.rows("select 1 from tasks where title = 'mine'") == []


def test_a_row_that_postgres_refuses_undoes_the_rest(world: World) -> None:
    before = world.rows(EVERYTHING)
    with world.engine.begin() as conn:
        conn.execute(text("alter table notes alter column content type varchar(10)"))
    with pytest.raises(DataError):
        carry_out(world, {"op": "create_task", "title": "first"}, {"op": "create_note", "content": "x" * 11})
    assert world.rows(EVERYTHING) == before


def test_no_circle_with_what_is_there(world: World) -> None:
    other = world.add("tasks", title="Other")
    carry_out(world, {"op": "add_dependency", "task": str(world.task), "depends_on": str(other)})
    carry_out(world, {"op": "add_dependency", "task": str(world.task), "depends_on": str(other)})  # again: nothing new
    with pytest.raises(PlanRefused, match="would wait for itself"):
        carry_out(world, {"op": "add_dependency", "task": str(other), "depends_on": str(world.task)})
    assert world.rows("select task_id, depends_on_task_id from task_dependencies") == [(UUID(str(world.task)), other)]
