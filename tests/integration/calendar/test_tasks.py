"""Tasks in the calendar, both ways: made, moved, taken out; echoes; who wins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.integration.calendar.conftest import NOW, World

START = datetime(2026, 2, 3, 14, tzinfo=UTC)


def put(world: World, task: UUID | str, **body: Any):
    return world.http.post(f"/api/tasks/{task}/calendar", json=body)


def link(world: World) -> dict[str, Any]:
    return world.one("task_calendar_events")


def remote(world: World) -> dict[str, Any]:
    """The event at Google."""
    (event,) = world.google.events.values()
    return event


@pytest.fixture
def linked(world: World) -> UUID:
    """A task that stands in Google's calendar, as it was told."""
    world.connect()
    world.sync()
    task = world.task(start_date=START)
    assert put(world, task).json["syncStatus"] == "pending"
    assert world.sync().pushed == 1
    return task


class TestOursAlone:
    def test_without_google_it_is_in_our_own_calendar_and_follows_the_task(self, world: World) -> None:
        task = world.task(due_date=START)
        answer = put(world, task, durationMinutes=45)
        assert (answer.status_code, answer.json["syncStatus"], answer.json["jobId"]) == (200, "local", None)
        assert world.rows()[0][1:] == ("Write report", START, START + timedelta(minutes=45), "confirmed", "app")
        world.run_sql("update tasks set due_date = due_date + interval '1 day', title = 'Later'")
        later = START + timedelta(days=1)
        assert world.rows()[0][1:4] == ("Later", later, later + timedelta(minutes=45))
        assert put(world, task).json["deduplicated"]
        gone = world.http.delete(f"/api/tasks/{task}/calendar").json
        assert (gone["removed"], gone["jobId"]) == (True, None)
        assert world.rows() == [] and world.http.delete(f"/api/tasks/{task}/calendar").json["removed"] is False

    def test_a_task_without_dates_needs_a_start_which_becomes_its_own(self, world: World) -> None:
        task = world.task()
        assert put(world, task).json["error"] == "start: is required for a task without dates"
        assert put(world, task, start="2026-02-03T14:00:00Z").json["end"] == "2026-02-03T14:30:00Z"
        assert world.one("tasks")["start_date"] == START
        assert put(world, task, start="2026-02-04T14:00:00Z").json["start"] == "2026-02-04T14:00:00Z"

    def test_a_whole_day_is_the_users(self, world: World) -> None:
        world.run_sql("update users set timezone = 'America/New_York'")
        task = world.task(start_date=datetime(2026, 3, 8, 5, tzinfo=UTC), all_day=True)
        answer = put(world, task).json
        assert (answer["start"], answer["end"]) == ("2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z")
        answer = put(world, task, start="2026-03-10T20:00:00Z").json
        assert (answer["start"], answer["end"]) == ("2026-03-10T04:00:00Z", "2026-03-11T04:00:00Z")
        world.run_sql("update tasks set all_day = false, start_date = '2026-03-12T15:00Z'")
        assert world.rows()[0][2:4] == (datetime(2026, 3, 12, 15, tzinfo=UTC), datetime(2026, 3, 12, 15, 30, tzinfo=UTC))
        world.run_sql("update tasks set all_day = true")
        assert world.rows()[0][2:4] == (datetime(2026, 3, 12, 4, tzinfo=UTC), datetime(2026, 3, 13, 4, tzinfo=UTC))

    @pytest.mark.parametrize("way", ["update tasks set deleted_at = now()", "delete from tasks"], ids=["marked", "deleted"])
    def test_a_deleted_task_leaves_it(self, world: World, way: str) -> None:
        put(world, world.task(start_date=START))
        world.run_sql(way)
        assert world.rows() == [] and world.rows("select 1 from task_calendar_events") == []

    def test_an_unknown_one(self, world: World) -> None:
        for unknown in ("nobody", "00000000-0000-0000-0000-000000000000", "%00"):
            for answer in (put(world, unknown), world.http.delete(f"/api/tasks/{unknown}/calendar")):
                assert (answer.status_code, answer.json["error"]) == (404, "Task not found")


class TestToGoogle:
    def test_made_changed_and_deleted(self, world: World, linked: UUID) -> None:
        event = remote(world)
        assert (event["summary"], event["start"]) == (
            "Write report", {"dateTime": "2026-02-03T15:00:00+01:00", "timeZone": "Europe/Berlin"},
        )  # fmt: skip
        assert (link(world)["sync_status"], link(world)["sync_source"]) == ("synced", "app")
        world.run_sql("update tasks set title = 'Write it well', start_date = start_date + interval '2 hours'")
        assert link(world)["sync_status"] == "pending"
        assert world.sync().pushed == 1
        assert (remote(world)["summary"], remote(world)["start"]["dateTime"]) == ("Write it well", "2026-02-03T17:00:00+01:00")
        world.run_sql("update tasks set all_day = true")
        world.sync()
        assert (remote(world)["start"], remote(world)["end"]) == ({"date": "2026-02-03"}, {"date": "2026-02-04"})
        assert world.http.delete(f"/api/tasks/{linked}/calendar").json["jobId"]
        assert world.sync().pushed == 1
        assert remote(world)["status"] == "cancelled" and world.rows("select 1 from task_calendar_events") == []
        assert world.again().pushed == 0

    def test_our_own_change_that_comes_back_is_no_change(self, world: World, linked: UUID) -> None:
        before = world.rows("select updated_at from calendar_events") + world.rows("select updated_at from tasks")
        result = world.again()
        assert (result.skipped, result.updated, result.pushed) == (1, 0, 0)
        assert world.rows("select updated_at from calendar_events") + world.rows("select updated_at from tasks") == before

    def test_an_event_that_was_made_though_nobody_told_us_is_made_once(self, world: World) -> None:
        world.connect()
        world.sync()
        put(world, world.task(start_date=START))
        world.google.put(link(world)["remote_id"], summary="Write report", start={"date": "2026-02-03"}, end={"date": "2026-02-04"})
        world.run_sql("update calendar_connections set sync_token = 'sync-99999'")  # the list will not tell of it
        assert world.sync().pushed == 1
        assert remote(world)["start"]["dateTime"] == "2026-02-03T15:00:00+01:00"

    def test_another_version_there_is_read_first(self, world: World, linked: UUID) -> None:
        world.clock.time = NOW + timedelta(minutes=10)
        world.run_sql("update tasks set title = 'Ours'")

        def race(method: str, path: str) -> None:
            if method == "PATCH":
                world.google.before = lambda *_: None
                world.google.change(remote(world)["id"], description="theirs", location="Room 1")

        world.google.before = race
        result = world.sync()
        assert (result.pushed, remote(world)["summary"], remote(world)["location"]) == (1, "Ours", "Room 1")
        assert sum(asked.startswith("PATCH") for asked in world.google.asked) == 2

    def test_what_google_will_not_have_is_reported_and_left(self, world: World) -> None:
        world.connect()
        world.sync()
        put(world, world.task(start_date=START))
        world.google.before = lambda method, path: world.google.failures.append((403, "forbidden")) if method == "POST" else None
        result = world.sync()
        assert result.refused == 1 and "forbidden" in result.problems[0] and link(world)["sync_status"] == "failed"
        world.google.before = lambda *_: None
        assert world.again().pushed == 0, "not again before it changes"

    def test_an_event_that_google_will_not_delete_lets_the_task_go(self, world: World, linked: UUID) -> None:
        world.http.delete(f"/api/tasks/{linked}/calendar")
        assert put(world, linked).status_code == 200, "and it may come back meanwhile"
        world.google.before = lambda method, path: world.google.failures.append((403, "forbidden")) if method == "DELETE" else None
        result = world.sync()
        assert (result.pushed, result.refused, link(world)["sync_status"]) == (1, 1, "synced")


class TestFromGoogle:
    def test_a_moved_event_moves_its_task_and_is_not_sent_back(self, world: World, linked: UUID) -> None:
        world.run_sql("update tasks set due_date = start_date + interval '1 day'")
        world.sync()
        world.clock.time = NOW + timedelta(minutes=1)
        times = {"start": {"dateTime": "2026-02-05T09:00:00+01:00"}, "end": {"dateTime": "2026-02-05T11:00:00+01:00"}}
        world.google.change(remote(world)["id"], summary="Write report now", **times)
        result = world.again()
        assert (result.updated, result.pushed, result.skipped) == (1, 0, 0)
        task, moved = world.one("tasks"), datetime(2026, 2, 5, 8, tzinfo=UTC)
        assert (task["title"], task["start_date"], task["due_date"]) == ("Write report now", moved, moved + timedelta(days=1))
        assert (link(world)["sync_source"], world.one("calendar_events")["end_time"]) == ("google", moved + timedelta(hours=2))
        assert world.waiting() == []

    def test_a_deleted_event_lets_the_task_be(self, world: World, linked: UUID) -> None:
        world.google.drop(remote(world)["id"])
        assert world.again().removed == 1
        assert world.rows() == [] and world.rows("select 1 from task_calendar_events") == []
        assert world.one("tasks")["start_date"] == START

    @pytest.mark.parametrize("ours_later", [True, False], ids=["ours", "theirs"])
    def test_of_two_changes_the_later_holds(self, world: World, linked: UUID, ours_later: bool) -> None:
        world.clock.time = NOW + timedelta(minutes=10)
        world.google.change(remote(world)["id"], summary="Theirs")
        world.run_sql("update tasks set title = 'Ours'")
        at = world.clock.time + timedelta(minutes=1 if ours_later else -1)
        world.run_sql("update task_calendar_events set changed_at = :at", at=at)
        world.sync()
        winner = "Ours" if ours_later else "Theirs"
        assert (world.one("tasks")["title"], remote(world)["summary"], world.titles()) == (winner, winner, [winner])

    def test_an_event_missing_from_a_full_sync_is_gone(self, world: World, linked: UUID) -> None:
        world.google.events.clear()
        world.google.forget()
        assert world.again().removed == 1
        assert world.rows("select 1 from task_calendar_events") == [] and world.one("tasks")["start_date"] == START
