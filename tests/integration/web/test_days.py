"""Who a user is, the user's projects, and what a local day holds."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.serving import make_server

from app.client import Client, ClientError
from tests.integration.web.conftest import Parts
from tests.support.people import add_user
from tests.support.servers import Database


def add(database: Database, table: str, **values: Any) -> UUID:
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    with database.engine.begin() as conn:
        return conn.execute(text(f"insert into {table} ({names}) values ({marks}) returning id"), values).scalar_one()


def test_a_user_and_which_day_it_is_there(http: FlaskClient, parts: Parts, user: UUID) -> None:
    parts.clock.time = datetime(2026, 11, 21, 3, tzinfo=UTC)
    shown = http.get(f"/users/{user}").json
    assert (shown["id"], shown["timezone"], shown["today"]) == (str(user), "America/New_York", "2026-11-20")
    assert http.get("/users/nobody").json["error"] == "User not found"


def test_a_stored_zone_that_is_none_means_utc(http: FlaskClient, database: Database) -> None:
    user = add_user(database.engine, timezone="Mars/Base")
    assert http.get(f"/users/{user}").json["timezone"] == "UTC"
    assert http.get(f"/users/{user}/days/2026-11-22").json["start"] == "2026-11-22T00:00:00Z"


def test_projects_with_their_tasks_counted_active_ones_first(http: FlaskClient, database: Database, user: UUID) -> None:
    add(database, "projects", user_id=user, name="Attic", status="archived")
    garden = add(database, "projects", user_id=user, name="Garden")
    add(database, "projects", user_id=add_user(database.engine), name="Not hers")
    for status in ("backlog", "blocked", "done"):
        add(database, "tasks", user_id=user, project_id=garden, title="t", status=status)
    add(database, "tasks", user_id=user, project_id=garden, title="gone", deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
    found = http.get(f"/users/{user}/projects").json["projects"]
    assert [(p["name"], p["open_tasks"], p["done_tasks"], p["phase_count"]) for p in found] == [("Garden", 2, 1, 0), ("Attic", 0, 0, 0)]


def test_a_day_is_the_local_one(http: FlaskClient, database: Database, user: UUID) -> None:
    def event(title: str, start: str, end: str, **more: Any) -> None:
        add(database, "calendar_events", user_id=user, title=title, start_time=start, end_time=end, **more)

    event("Late show", "2026-11-22T03:00Z", "2026-11-22T06:00Z")  # 22:00 to 01:00 in New York
    event("Stand-up", "2026-11-21T14:30Z", "2026-11-21T14:45Z", location="Hall")
    event("Early in UTC", "2026-11-21T02:00Z", "2026-11-21T03:00Z")
    event("Called off", "2026-11-21T15:00Z", "2026-11-21T16:00Z", status="cancelled")
    event("Market", "2026-11-21T05:00Z", "2026-11-22T05:00Z", all_day=True, timezone="America/New_York")
    add(database, "tasks", user_id=user, title="At the end", due_date="2026-11-22T04:59Z", status="done")
    add(database, "tasks", user_id=user, title="That day", due_date="2026-11-21T05:00Z", all_day=True)
    add(database, "tasks", user_id=user, title="Too late", due_date="2026-11-22T05:00Z")

    day = http.get(f"/users/{user}/days/2026-11-21").json
    assert (day["start"], day["end"], day["timezone"]) == ("2026-11-21T05:00:00Z", "2026-11-22T05:00:00Z", "America/New_York")
    assert [(e["title"], e["start_time"], e["into_after"]) for e in day["events"]] == [
        ("Market", None, False), ("Stand-up", "2026-11-21T14:30:00Z", False), ("Late show", "2026-11-22T03:00:00Z", True),
    ]  # fmt: skip
    assert [(t["title"], t["status"], t["planned"]) for t in day["tasks"]] == [("At the end", "done", False), ("That day", "backlog", False)]
    after = http.get(f"/users/{user}/days/2026-11-22").json
    assert [(e["title"], e["from_before"]) for e in after["events"]] == [("Late show", True)]


def test_a_whole_day_stays_the_day_it_is_when_its_user_moves(http: FlaskClient, database: Database, user: UUID) -> None:
    def task(title: str, **dates: str) -> None:
        add(database, "tasks", user_id=user, title=title, all_day=True, **dates)

    task("Due", due_date="2026-11-21T05:00Z", start_date="2026-11-20T05:00Z")
    task("Begun at nine", due_date="2026-11-21T05:00Z", start_date="2026-11-19T14:00Z")
    task("Begins", start_date="2026-11-21T05:00Z")
    task("When clocks go back", due_date="2026-11-01T04:00Z")
    add(database, "tasks", user_id=user, title="At eight", due_date="2026-11-21T13:00Z")
    for zone in ("Pacific/Apia", "America/Havana", "Mars/Base"):
        with database.engine.begin() as conn:
            conn.execute(text("update users set timezone = :zone where id = :user"), {"zone": zone, "user": user})
        titles = {task["title"] for task in http.get(f"/users/{user}/days/2026-11-21").json["tasks"] if task["all_day"]}
        assert titles == {"Due", "Begun at nine", "Begins"}
        assert "When clocks go back" in [task["title"] for task in http.get(f"/users/{user}/days/2026-11-01").json["tasks"]]
    with database.engine.connect() as conn:
        found = conn.execute(text("select title, start_date, due_date from tasks where user_id = :user"), {"user": user}).all()
    rows = {row.title: row for row in found}
    assert rows["Due"].start_date == datetime(2026, 11, 20, tzinfo=UTC)  # a zone that is none means UTC
    assert rows["Begun at nine"].start_date == datetime(2026, 11, 19, 14, tzinfo=UTC)
    assert rows["At eight"].due_date == datetime(2026, 11, 21, 13, tzinfo=UTC)


def test_text_messages_of_a_local_day_in_their_order(http: FlaskClient, database: Database, user: UUID) -> None:
    def message(words: str, at: str, **more: Any) -> None:
        add(database, "sms_messages", user_id=user, phone_number="+14155552671", message_content=words, scheduled_for=at, **more)

    message("second", "2026-11-21T20:00Z", status="sent")
    message("first", "2026-11-21T05:00Z", status="skipped", reason="quiet hours")
    message("the day after", "2026-11-22T05:00Z")
    found = http.get(f"/users/{user}/sms/2026-11-21").json
    assert [(m["message_content"], m["status"], m["reason"]) for m in found["messages"]] == [
        ("first", "skipped", "quiet hours"), ("second", "sent", None),
    ]  # fmt: skip


def test_a_date_that_is_none_is_named(http: FlaskClient, user: UUID) -> None:
    for path in ("days", "sms"):
        answer = http.get(f"/users/{user}/{path}/2026-02-30")
        assert answer.status_code == 400 and answer.json["details"][0]["field"] == "date"
        assert http.get(f"/users/{user}/{path}/1970-01-01").status_code == http.get(f"/users/{user}/{path}/2999-12-31").status_code == 200


def test_the_client_reads_all_of_it(app: Flask, database: Database, user: UUID) -> None:
    add(database, "projects", user_id=user, name="Garden")
    add(database, "tasks", user_id=user, title="Dig", due_date="2026-11-21T15:00Z")
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        client = Client(f"http://127.0.0.1:{server.server_port}")
        assert client.user(str(user)).today == "2026-11-21"
        assert [project.name for project in client.user_projects(str(user))] == ["Garden"]
        assert [task.title for task in client.user_day(str(user), "2026-11-21").tasks] == ["Dig"]
        assert client.user_texts(str(user), "2026-11-21") == []
        with pytest.raises(ClientError, match="User not found"):
            client.user("nobody")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
