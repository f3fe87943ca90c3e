"""Finished recurring tasks come again, exactly once (CONTRACT 8.9)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from app.queue import claims
from app.queue.errors import LeaseLost
from app.queue.running import RunningJob
from tests.integration.upkeep.conftest import World
from tests.support.jobs import sql_client


def task(world: World, user: UUID, **values: Any) -> UUID:
    """A finished task, due on Monday 1 June 2026 at 09:00 in Berlin and finished on that day."""
    row = {
        "user_id": user, "title": "Water the plants", "status": "done", "due_date": "2026-06-01 07:00Z",
        "completed_at": "2026-06-01 08:00Z", "recurrence": "FREQ=WEEKLY", **values,
    }  # fmt: skip
    return world.sql.value(f"insert into tasks ({', '.join(row)}) values ({', '.join(['%s'] * len(row))}) returning id", *row.values())


@pytest.fixture
def user(world: World) -> UUID:
    made = world.sql.user()
    world.sql.run("update users set timezone = 'Europe/Berlin'")
    return made


def test_the_next_instance_is_like_the_last(world: World, user: UUID) -> None:
    project = world.sql.value("insert into projects (user_id, name) values (%s, 'Home') returning id", user)
    first = task(world, user, project_id=project, priority="high", description="all of them", start_date="2026-05-31 07:00Z")
    assert world.run("update_recurring_tasks", date="2026-06-02").model_dump() == {"created": 1, "ended": 0, "invalid": 0}
    new = world.sql.one("select * from tasks where id <> %s", first)
    same = ("user_id", "project_id", "title", "description", "priority", "recurrence", "all_day")
    old = world.sql.one("select * from tasks where id = %s", first)
    assert [new[name] for name in same] == [old[name] for name in same]
    assert (new["status"], new["completed_at"], new["recurrence_parent_id"]) == ("backlog", None, first)
    assert (new["due_date"].isoformat(), new["start_date"].isoformat()) == ("2026-06-08T07:00:00+00:00", "2026-06-07T07:00:00+00:00")

    world.sql.run("update tasks set status = 'done', completed_at = due_date where id = %s", new["id"])
    world.run("update_recurring_tasks", date="2026-06-09")
    third = world.sql.one("select * from tasks where status <> 'done'")
    assert (third["due_date"].isoformat(), third["recurrence_parent_id"]) == ("2026-06-15T07:00:00+00:00", first)


def test_once_whatever_happens_to_either(world: World, user: UUID) -> None:
    first = task(world, user)
    for _ in range(2):
        world.run("update_recurring_tasks", date="2026-06-02")
    world.sql.run("delete from tasks where id <> %s", first)
    world.run("update_recurring_tasks", date="2026-06-02")
    world.sql.run("update tasks set status = 'backlog', completed_at = null")
    world.sql.run("update tasks set status = 'done'")
    assert world.run("update_recurring_tasks", date="2026-06-02").created == 0
    assert world.sql.value("select count(*) from tasks") == 1


def test_who_is_left_alone(world: World, user: UUID) -> None:
    task(world, user, status="in_progress")
    task(world, user, deleted_at="2026-06-01")
    task(world, user, recurrence=None)
    task(world, user, due_date="infinity")
    wrong = task(world, user, recurrence="every monday")
    over = task(world, user, recurrence="FREQ=WEEKLY;UNTIL=20260603")
    assert world.run("update_recurring_tasks", date="2026-06-02").model_dump() == {"created": 0, "ended": 1, "invalid": 1}
    settled = dict.fromkeys([wrong, over])
    for row in world.sql.run("select id, recurrence_settled_at is not null as settled from tasks where id = any(%s)", [wrong, over]):
        settled[row["id"]] = row["settled"]
    assert settled == {wrong: False, over: True}
    world.sql.run("update tasks set recurrence = 'FREQ=DAILY' where id = %s", wrong)
    assert world.run("update_recurring_tasks", date="2026-06-03").created == 1, "once its rule is mended"


def test_many_users_in_one_run_each_at_their_own_time(world: World) -> None:
    world.sql.run(
        "insert into users (email, timezone) select n || '@example.com', (array['Asia/Tokyo', 'America/New_York', 'nowhere'])[1 + n %% 3] "
        "from generate_series(1, 450) n"
    )
    world.sql.run(
        "insert into tasks (user_id, title, status, due_date, completed_at, recurrence, all_day) "
        "select id, 'x', 'done', timestamp '2026-03-07' at time zone case timezone when 'nowhere' then 'UTC' else timezone end, "
        "'2026-03-07 12:00Z', 'FREQ=DAILY;INTERVAL=2', true from users"
    )
    assert world.run("update_recurring_tasks", date="2026-03-08").created == 450
    days = world.sql.values(
        "select distinct t.due_date at time zone case timezone when 'nowhere' then 'UTC' else timezone end "
        "from tasks t join users u on u.id = user_id where status = 'backlog'"
    )
    assert [str(day) for day in days] == ["2026-03-09 00:00:00"]


def test_a_run_that_lost_its_job_adds_nothing(world: World, user: UUID) -> None:
    task(world, user)
    job = world.sql.add("update_recurring_tasks", {"date": "2026-06-02"})
    with world.database.engine.begin() as conn:
        held = claims.claim(conn, job, "task", "worker")
    world.sql.value("select cancel_queue_job(%s)", job)
    with pytest.raises(LeaseLost):
        world.service.update_recurring_tasks(RunningJob(world.database.engine, held))
    assert world.sql.value("select count(*) from tasks") == 1


def test_a_task_that_somebody_is_changing_waits_for_the_next_run(world: World, user: UUID) -> None:
    first = task(world, user)
    with sql_client(world.database, autocommit=False) as other:
        other.run("update tasks set title = 'x' where id = %s", first)
        assert world.run("update_recurring_tasks", date="2026-06-02").created == 0
    assert world.run("update_recurring_tasks", date="2026-06-02").created == 1
