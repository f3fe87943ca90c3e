"""Calendar files over HTTP, refused entry by refused entry as the command does."""

from __future__ import annotations

import io
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from app.web.app import create_app
from app.wiring import build
from tests.integration.calendar.conftest import NOW, rows
from tests.support.calendars import calendar
from tests.support.clock import FixedClock
from tests.support.servers import Database, plain_settings

URL = "/api/calendar/events/import"
DENTIST = "UID:one\nSUMMARY:Dentist\nDTSTART:20260301T100000Z\nDURATION:PT1H"
BROKEN = "UID:two\nSUMMARY:Broken\nDTSTART:soon"
TASK = "BEGIN:VTODO\nUID:t\nSUMMARY:Buy milk\nEND:VTODO"


def api(database: Database, redis_url: str, **more: str) -> FlaskClient:
    settings = plain_settings(database_url=database.url, redis_url=redis_url, **more)
    return create_app(build(settings, engine=database.engine, clock=FixedClock(NOW))).test_client()


@pytest.fixture
def http(database: Database, redis_url: str) -> FlaskClient:
    return api(database, redis_url)


def test_a_body_names_what_it_refused_and_the_rest_is_there(http: FlaskClient, database: Database, user: UUID) -> None:
    answer = http.post(f"{URL}?userId={user}", data=calendar(DENTIST, BROKEN, TASK), content_type="text/calendar")
    assert answer.status_code == 200, answer.text
    assert answer.json["occurrences"] == {"added": 1, "updated": 0, "unchanged": 0, "removed": 0}
    assert (answer.json["tasks"]["added"], answer.json["refused"]) == (1, 1)
    assert answer.json["problems"] == ["entry 2 (UID two, line 9): DTSTART is not a date or time: soon"]
    assert rows(database.engine, "select title, sync_source, connection_id from calendar_events") == [
        ("Dentist", "ics", None)
    ]


def test_a_form_and_once_more(http: FlaskClient, database: Database, user: UUID) -> None:
    for counts in ({"added": 1, "unchanged": 0}, {"added": 0, "unchanged": 1}):
        form = {"userId": str(user), "file": (io.BytesIO(calendar(DENTIST).encode("utf-16")), "work.ics")}
        answer = http.post(URL, data=form)
        assert answer.status_code == 200 and counts.items() <= answer.json["events"].items()


def test_a_large_file_is_taken_and_a_larger_one_refused(http: FlaskClient, user: UUID) -> None:
    long = calendar(DENTIST + "\nDESCRIPTION:" + "x" * 2_000_000)
    assert http.post(f"{URL}?userId={user}", data=long, content_type="text/calendar").status_code == 200
    assert http.post(f"{URL}?userId={user}", data=b"x" * 11_000_000, content_type="text/calendar").status_code == 413


def test_what_is_no_calendar(http: FlaskClient, user: UUID) -> None:
    for body, kind, status, error in (
        (b"hello", "text/calendar", 400, "file: is not a calendar: it has no BEGIN:VCALENDAR"),
        (b"", "text/calendar", 400, "file: is empty"),
        (b"\x00\x01", "text/calendar", 400, "file: is not a text file"),
        (b"{}", "application/json", 415, "Content-Type must be text/calendar or multipart/form-data"),
        (b"", "multipart/form-data; boundary=x", 400, "file: is required"),
    ):
        answer = http.post(f"{URL}?userId={user}", data=body, content_type=kind)
        assert (answer.status_code, answer.json["error"]) == (status, error)


def test_who_may(http: FlaskClient, database: Database, redis_url: str, user: UUID) -> None:
    body = {"data": calendar(DENTIST), "content_type": "text/calendar"}
    assert http.post(URL, **body).json["error"] == "userId: is required"
    assert http.post(f"{URL}?userId=nobody", **body).status_code == 404
    strict = api(database, redis_url, auth_mode="jwt", service_key="k" * 32)
    assert strict.post(f"{URL}?userId={user}", **body).status_code == 401
    keyed = {"Authorization": "Bearer " + "k" * 32}
    assert strict.post(f"{URL}?userId={user}", headers=keyed, **body).status_code == 200
