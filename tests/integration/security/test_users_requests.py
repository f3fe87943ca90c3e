"""What a user may do works with that user's rights in the database: every request that changes something, once, by a token."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.security.conftest import World
from tests.support.models import Sorter
from tests.support.tokens import KEY

BROWSER = {"p256dh": "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM", "auth": "tBHItJI5svbpez7KI4CCXg"}
OPERATIONS = [
    {"op": "create_project", "ref": "p", "name": "Garden"},
    {"op": "create_task", "ref": "t", "project": "p", "title": "Dig"},
    {"op": "create_task", "ref": "u", "project": "p", "title": "Sow"},
    {"op": "add_dependency", "task": "u", "depends_on": "t"},
    {"op": "create_note", "project": "p", "content": "Roses"},
    {"op": "update_project", "project": "{project}", "name": "House"},
    {"op": "update_task", "task": "{task}", "status": "done"},
    {"op": "update_note", "note": "{note}", "append": "and a bench"},
]


@pytest.fixture(scope="module")
def world(make_world: Callable[..., World]) -> World:
    return make_world(llm=Sorter())


def done(world: World, method: str, path: str, **body: Any) -> dict[str, Any]:
    """The answer to a request of Ada's, which must succeed."""
    answer = world.call(world.ada, method, path, **body)
    assert answer.status_code == 200, (path, answer.status_code, answer.text)
    return answer.json


def mine(world: World, table: str, **values: Any) -> str:
    """A new row of Ada's; its id."""
    values = {"user_id": world.ada, **values}
    query = f"insert into {table} ({', '.join(values)}) values ({', '.join(['%s'] * len(values))}) returning id"
    return str(world.sql.value(query, *values.values()))


def test_briefs(world: World) -> None:
    user = str(world.ada)
    first = done(world, "POST", "/queue/brief", userId=user, scheduledFor="2031-01-01T00:00:00Z")
    assert done(world, "POST", "/queue/brief", userId=user, briefDate=first["briefDate"], forceImmediate=True)["deduplicated"]
    again = done(world, "POST", "/queue/brief", userId=user, briefDate=first["briefDate"], forceRegenerate=True)
    assert again["jobId"] != first["jobId"]
    assert done(world, "POST", "/queue/brief/cancel", userId=user, briefDate=first["briefDate"])["cancelledJobs"] == 1
    retried = done(world, "POST", f"/jobs/{again['jobId']}/retry")["jobId"]
    assert done(world, "GET", f"/jobs/{retried}")["status"] == "pending"
    assert len(done(world, "GET", f"/jobs/{again['jobId']}/events")["events"]) == 2
    done(world, "POST", f"/jobs/{retried}/cancel")
    history = world.sql.run("select message from job_events where job_id = (select id from queue_jobs where queue_job_id = %s)", retried)
    assert [row["message"] for row in history] == [None, "cancelled"]


def test_jobs_of_every_kind(world: World) -> None:
    user = str(world.ada)
    queued = [
        done(world, "POST", "/queue/notification", userId=user, channel="in-app", eventType="system.announcement", payload={"title": "Hi"}),
        done(world, "POST", "/queue/email", userId=user, to="ada@example.com", subject="s", text="t"),
        done(world, "POST", "/queue/sms", userId=user, phone_number="+14155552671", message="m"),
        done(world, "POST", "/queue/brain-dump", userId=user, text="buy milk"),
        done(world, "POST", "/queue/onboarding", userId=user, userContext={"goals": [], "challenges": []}),
        done(world, "POST", "/queue/onboarding", userId=user, userContext={"goals": [], "challenges": []}, options={"forceRegenerate": True}),
    ]
    done(world, "DELETE", f"/api/queue-jobs/{queued[0]['jobId']}")
    one = {"jobType": "send_email", "metadata": {"to": "ada@example.com", "subject": "s", "text": "t"}, "dedupKey": "k"}
    jobs = [{**one, "userId": user}, {**one, "userId": user}, {**one, "userId": str(world.bob)}]
    first, second, refused = done(world, "POST", "/queue/bulk", jobs=jobs)["results"]
    assert first["jobId"] == second["jobId"] and second["deduplicated"] and refused["code"] == "forbidden"
    assert len({row["queue_job_id"] for row in done(world, "GET", f"/users/{user}/jobs?limit=100")["jobs"]} & {q["jobId"] for q in queued}) == 6


def test_phases(world: World) -> None:
    project = mine(world, "projects", name="Boat")
    mine(world, "tasks", title="Mast", project_id=project)
    made = done(world, "POST", f"/api/projects/{project}/phases/generate")
    assert len(made["data"]["phases"]) >= 1 == len(made["data"]["phases"][0]["tasks"])
    assert done(world, "GET", f"/projects/{project}/phases")["phases"] == made["data"]["phases"]
    assert done(world, "GET", f"/jobs/{made['jobId']}")["status"] == "completed"
    done(world, "POST", "/queue/phases", userId=str(world.ada), projectId=project)
    assert world.call(world.ada, "POST", "/api/phases-jobs", projectId=project).status_code == 409


def test_brain_dumps(world: World) -> None:
    streamed = world.call(world.ada, "POST", "/api/braindumps/stream", text="buy milk", autoAccept=True)
    assert "event: complete" in streamed.text
    ids = {"project": mine(world, "projects", name="Home"), "task": mine(world, "tasks", title="Paint"), "note": mine(world, "notes", content="Blue")}
    operations = json.loads(json.dumps(OPERATIONS).replace("{project}", ids["project"]).replace("{task}", ids["task"]).replace("{note}", ids["note"]))
    dump = mine(world, "brain_dumps", text="x", status="proposed", operations=json.dumps(operations), plan_source="model")
    assert len(done(world, "POST", f"/api/braindumps/{dump}/confirm")["result"]["operations"]) == len(OPERATIONS)
    assert done(world, "GET", f"/api/braindumps/{dump}")["status"] == "applied"
    left = mine(world, "brain_dumps", text="x", started_at="2020-01-01")
    assert done(world, "GET", f"/api/braindumps/{left}")["status"] == "failed"


def test_preferences(world: World) -> None:
    path = f"/users/{world.ada}/preferences"
    world.sql.run("delete from user_brief_preferences where user_id = %s", world.ada)
    wanted = {"brief": {"is_active": True, "frequency": "daily"}, "notifications": {"do_not_disturb": True}}
    changed = done(world, "PUT", path, timezone="Asia/Tokyo", sms={"phone_number": "+14155552671", "daily_sms_limit": 3}, **wanted)
    assert changed["brief"]["is_active"] and changed["sms"]["daily_sms_limit"] == 3 and changed["notifications"]["do_not_disturb"]
    assert done(world, "GET", path)["timezone"] == "Asia/Tokyo"
    done(world, "PUT", path, brief={"is_active": False})
    done(world, "POST", "/sms/scheduled", userId=str(world.ada), enabled=True, lead_time_minutes=5)
    assert done(world, "GET", f"/sms/scheduled?userId={world.ada}")["schedule"][0]["enabled"] is True


def test_notifications(world: World) -> None:
    (found,) = world.sql.values("select id from notifications where user_id = %s", world.ada)
    assert done(world, "POST", f"/users/{world.ada}/notifications/{found}/read")["readAt"]
    assert done(world, "GET", f"/users/{world.ada}/notifications")["unreadCount"] == 0
    browser = {"endpoint": "https://push.example.com/shared", "keys": BROWSER}
    assert world.call(KEY, "POST", "/push/subscriptions", userId=str(world.bob), **browser).json["created"]
    assert done(world, "POST", "/push/subscriptions", **browser)["created"] is False, "the browser is another's now"
    assert done(world, "DELETE", "/push/subscriptions", endpoint=browser["endpoint"])["removed"]


def test_calendars(world: World, root: Path) -> None:
    path = "/api/calendar/events/import"
    for counted in ("added", "unchanged"):
        http = world.app.test_client()
        content = (root / "tests/data/home.ics").read_bytes()
        answer = http.post(path, data=content, content_type="text/calendar", headers=world.headers(world.ada))
        assert answer.status_code == 200 and answer.json["occurrences"][counted] > 0, answer.text
    task = mine(world, "tasks", title="Row")
    placed = done(world, "POST", f"/api/tasks/{task}/calendar", start="2030-01-01T10:00:00Z")
    assert placed["eventId"] and done(world, "POST", f"/api/tasks/{task}/calendar")["deduplicated"]
    assert done(world, "DELETE", f"/api/tasks/{task}/calendar")["removed"]
    feed = done(world, "POST", "/api/calendar/connect", provider="feed", url="https://example.com/x.ics")
    assert feed["connectionId"] in {each["id"] for each in done(world, "GET", "/api/calendar/connections")["connections"]}
    assert done(world, "POST", "/queue/calendar-sync", userId=str(world.ada), calendarId=feed["connectionId"])["deduplicated"]
    assert world.call(world.bob, "DELETE", f"/api/calendar/connections/{feed['connectionId']}").status_code == 404
    done(world, "DELETE", f"/api/calendar/connections/{feed['connectionId']}")
    assert world.run(world.ada, "select 1 from calendar_secrets") == 403
