"""Consent, secrets, channels, disconnecting: who may, what is kept, what Google is told."""

from __future__ import annotations

import io
import json
import threading
from datetime import timedelta
from uuid import uuid4

import jwt
import pytest

from app.settings import SettingsError
from tests.integration.calendar.conftest import NOW, World
from tests.support.people import add_user
from tests.support.servers import plain_settings

WEBHOOK = "/api/webhooks/google-calendar"
KEY = "x" * 43 + "="


def callback(world: World, **query: str):
    return world.http.get("/api/calendar/callback", query_string=query)


def test_a_consent_becomes_a_connection_with_encrypted_tokens(world: World) -> None:
    connection = world.connect()
    row = world.one("calendar_connections")
    assert (str(row["id"]), row["calendar_id"], row["name"]) == (connection, "ada@example.com", "Ada")
    kept = world.one("calendar_secrets")["encrypted"]
    assert "refresh-1" not in kept and kept.startswith("gAAAA")
    everything = str(world.rows("select j::text from queue_jobs j")) + str(world.rows("select c::text from calendar_connections c"))
    assert "refresh-1" not in everything and "access-" not in everything
    assert world.connect() == connection, "connected again it is the same"
    assert len(world.waiting()) == 1


def test_a_state_works_once_and_for_ten_minutes(world: World) -> None:
    asked = world.http.post("/api/calendar/connect", json={"userId": str(world.user)}).json["url"]
    back = world.google.consent(asked).removeprefix("http://localhost")
    assert world.http.get(back).status_code == 200
    again = world.http.get(back)
    assert (again.status_code, again.json["code"]) == (400, "unknown_state")
    back = world.google.consent(asked).removeprefix("http://localhost")
    assert world.http.get(back).status_code == 400
    asked = world.http.post("/api/calendar/connect", json={"userId": str(world.user)}).json["url"]
    world.clock.time = NOW + timedelta(minutes=11)
    assert callback(world, state=asked.split("state=")[1].split("&")[0], code="x").json["code"] == "unknown_state"
    assert callback(world, state="made up", code="x").status_code == 400


def test_a_browser_that_we_sent_must_come_back_itself(world: World) -> None:
    sent = world.http.get(f"/api/calendar/connect?userId={world.user}")
    assert sent.status_code == 302 and "HttpOnly" in sent.headers["Set-Cookie"]
    back = world.google.consent(sent.headers["Location"]).removeprefix("http://localhost")
    assert world.app.test_client().get(back).json["code"] == "unknown_state"
    sent = world.http.get(f"/api/calendar/connect?userId={world.user}")
    assert world.http.get(world.google.consent(sent.headers["Location"]).removeprefix("http://localhost")).status_code == 200


def test_no_consent_and_a_code_that_is_none(world: World) -> None:
    for more, code in (({"error": "access_denied"}, "consent_refused"), ({"code": "stolen"}, "not_connected")):
        asked = world.http.post("/api/calendar/connect", json={"userId": str(world.user)}).json["url"]
        answer = callback(world, state=asked.split("state=")[1].split("&")[0], **more)
        assert (answer.status_code, answer.json["code"]) == (400, code)
    assert world.rows("select 1 from calendar_connections") == []


def test_the_page_to_return_to_is_given(database, redis_url, user, google, clock) -> None:
    world = World(database, redis_url, user, google, clock, calendar_return_url="https://app.example/settings?tab=2")
    asked = world.http.post("/api/calendar/connect", json={"userId": str(user)}).json["url"]
    answer = world.http.get(google.consent(asked).removeprefix("http://localhost"))
    assert answer.headers["Location"].startswith("https://app.example/settings?tab=2&connected=")
    assert callback(world, state="x").headers["Location"] == "https://app.example/settings?tab=2&error=unknown_state"


def test_without_a_client_there_is_no_google(database, redis_url, user, google, clock) -> None:
    world = World(database, redis_url, user, google, clock, google_client_id=None)
    answer = world.http.post("/api/calendar/connect", json={"userId": str(user)})
    assert (answer.status_code, answer.json["code"]) == (409, "not_configured")


def test_google_calls_and_a_sync_is_queued_once(reachable: World) -> None:
    reachable.connect()
    assert reachable.sync().channelRenewed
    reachable.google.settle()
    assert reachable.waiting() == [], "the first call only says that the channel works"
    reachable.google.put("event1", start={"date": "2026-02-03"}, end={"date": "2026-02-04"})
    reachable.google.put("event2", start={"date": "2026-02-03"}, end={"date": "2026-02-04"})
    reachable.google.settle()
    assert [status for _, status in reachable.google.called] == [200, 200, 200]
    assert reachable.sync().added == 2, "two calls, one job"
    reachable.google.put("event3", start={"date": "2026-02-03"}, end={"date": "2026-02-04"})
    reachable.google.settle()
    assert reachable.sync().added == 1, "what is told after a run began is done by the next"


def test_a_caller_without_the_secret_is_refused(reachable: World) -> None:
    reachable.connect()
    reachable.sync()
    reachable.google.settle()
    right = {**reachable.google.called[0][0], "X-Goog-Resource-State": "exists"}
    for wrong in (
        {"X-Goog-Channel-Token": "guessed"},
        {"X-Goog-Channel-Token": ""},
        {"X-Goog-Channel-ID": str(uuid4())},
        {"X-Goog-Channel-ID": "no id"},
        {"X-Goog-Resource-ID": "another"},
    ):
        assert reachable.http.post(WEBHOOK, headers={**right, **wrong}).status_code == 401
    assert reachable.http.post(WEBHOOK).status_code == 401 and reachable.waiting() == []
    assert reachable.http.post(WEBHOOK, headers=right).status_code == 200 and len(reachable.waiting()) == 1
    assert right["X-Goog-Channel-Token"] not in str(reachable.rows("select c::text from calendar_channels c"))


def test_a_channel_is_renewed_before_it_ends(reachable: World) -> None:
    reachable.connect()
    reachable.sync()
    (first,) = reachable.google.channels
    reachable.clock.time = NOW + timedelta(minutes=1)
    assert reachable.tick(reachable.clock.time) == 0
    reachable.clock.time = NOW + timedelta(days=6, minutes=1)
    reachable.run_sql("update calendar_connections set next_sync_at = '2027-01-01'")
    assert reachable.tick(reachable.clock.time) == 1
    assert reachable.tick(reachable.clock.time) == 0, "a second tick finds the job"
    assert reachable.sync().channelRenewed
    (second,) = reachable.google.channels
    assert first != second and reachable.google.stopped == [first]
    assert [str(row[0]) for row in reachable.rows("select id from calendar_channels")] == [second]


def test_a_calendar_that_cannot_be_watched_any_more_is_looked_at(reachable: World) -> None:
    reachable.connect()
    reachable.sync()
    reachable.clock.time = NOW + timedelta(days=8)
    assert reachable.tick(reachable.clock.time) == 1
    reachable.google.before = lambda method, path: reachable.google.failures.append((400, "pushNotSupportedForRequestedResource")) if path.endswith("/watch") else None
    assert not reachable.sync().channelRenewed
    at = reachable.one("calendar_connections")["next_sync_at"]
    assert at == reachable.clock.time + timedelta(minutes=15)
    assert (reachable.tick(at - timedelta(minutes=1)), reachable.tick(at)) == (0, 1)


def test_disconnecting_tells_google_and_takes_the_events(reachable: World) -> None:
    reachable.google.put("event1", start={"date": "2026-02-03"}, end={"date": "2026-02-04"})
    connection = reachable.connect()
    reachable.sync()
    other = add_user(reachable.engine)
    assert reachable.http.delete("/api/calendar/connections/none").status_code == 404
    assert reachable.http.get(f"/api/calendar/connections?userId={other}").json == {"connections": []}
    assert reachable.http.delete(f"/api/calendar/connections/{connection}").status_code == 200
    assert reachable.rows() == [] and reachable.google.channels == {} and reachable.google.refresh == set()
    assert reachable.http.delete(f"/api/calendar/connections/{connection}").status_code == 404


def test_another_users_calendar_and_task_are_not_found(database, redis_url, user, google, clock) -> None:
    open_world = World(database, redis_url, user, google, clock)
    connection, task = open_world.connect(), open_world.task()
    strict = World(database, redis_url, user, google, clock, auth_mode="jwt", jwt_secret="s" * 32)
    claims = {"sub": str(add_user(database.engine)), "aud": "authenticated", "exp": 4_000_000_000}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, 's' * 32, algorithm='HS256')}"}
    assert strict.http.delete(f"/api/calendar/connections/{connection}", headers=headers).status_code == 404
    assert strict.http.post(f"/api/tasks/{task}/calendar", json={}, headers=headers).status_code == 404
    assert strict.http.get("/api/calendar/connections", headers=headers).json == {"connections": []}
    asked = {"userId": str(user), "calendarId": connection}
    assert strict.http.post("/queue/calendar-sync", json=asked, headers=headers).status_code == 403
    assert strict.http.get("/api/calendar/connect").status_code == 401


def test_production_needs_a_key_where_google_is_set_up() -> None:
    google = {"app_env": "production", "google_client_id": "c", "google_client_secret": "s"}
    with pytest.raises(SettingsError, match="CALENDAR_TOKEN_KEY: is needed in production"):
        plain_settings(**google)
    assert plain_settings(**google, calendar_token_key=KEY).calendar_token_key.get_secret_value() == KEY
    with pytest.raises(SettingsError, match="CALENDAR_TOKEN_KEY: expects 32 bytes") as error:
        plain_settings(calendar_token_key="short-secret")
    assert "short-secret" not in str(error.value)
    with pytest.raises(SettingsError, match="GOOGLE_CLIENT_SECRET"):
        plain_settings(google_client_id="c")


def test_a_sync_at_the_moment_of_disconnecting_writes_nothing(world: World) -> None:
    world.google.put("event1", start={"date": "2026-02-03"}, end={"date": "2026-02-04"})
    connection = world.connect()
    (job_id,) = world.waiting()
    gone = threading.Event()

    def leave(method: str, path: str) -> None:
        if path.endswith("/events") and not gone.is_set():
            gone.set()
            world.run_sql("delete from calendar_connections where id = :id", id=connection)

    world.google.before = leave
    assert world.services.calendar.sync(world.claimed(job_id)).mode == "superseded"
    assert world.rows() == []


def test_no_odd_input_is_a_500(world: World) -> None:
    user, connection, task = str(world.user), world.connect(), world.task()
    odd = ["", "\x00", "\ud800", "é", "x" * 5000, "../..", "' or 1=1 --", 0, -1, 10**30, 1e308, True, None, [], {}, "2999-12-31T23:59:59Z"]
    bodies = {
        "/api/calendar/connect": {"userId": user, "provider": "feed", "url": "https://example.com/", "name": "n", "calendarId": "c"},
        "/queue/calendar-sync": {"userId": user, "calendarId": connection, "syncToken": "t"},
        f"/api/tasks/{task}/calendar": {"start": "2026-02-03T14:00:00Z", "allDay": True, "durationMinutes": 5, "calendarId": connection},
    }
    for path, good in bodies.items():
        for name in good:
            for value in odd:
                body = json.dumps({**good, name: value})
                answer = world.http.post(path, data=body, content_type="application/json")
                assert answer.status_code < 500, (path, name, value, answer.text)
    for value in [str(each) for each in odd if each not in ("\ud800",)]:
        for path in ("/api/calendar/callback", "/api/calendar/connections", "/api/calendar/connect"):
            for name in ("state", "code", "error", "userId", "calendarId"):
                query = {"state": "s", "code": "c", "userId": user, name: value}
                assert world.http.get(path, query_string=query).status_code < 500, (path, name, value)
        if value.isascii() and value.isprintable():
            headers = dict.fromkeys(("X-Goog-Channel-ID", "X-Goog-Channel-Token", "X-Goog-Resource-ID"), value)
            assert world.http.post(WEBHOOK, headers=headers).status_code == 401
        form = {"userId": value, "file": (io.BytesIO(b"BEGIN:VCALENDAR"), f"{value[:50]}.ics")}
        assert world.http.post("/api/calendar/events/import", data=form).status_code < 500
