"""Feeds: read again when they changed, never from where a stranger must not look."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from app.adapters.calendar_feed import FeedReader
from app.ports.calendar import CalendarDeferred, CalendarRefused
from app.queue.errors import PermanentError, TransientError
from tests.integration.calendar.conftest import NOW, World
from tests.support.calendars import calendar
from tests.support.servers import plain_settings

ONE = "UID:one\nSUMMARY:Dentist\nDTSTART:20260301T100000Z\nDURATION:PT1H"
WEEKLY = "UID:w\nSUMMARY:Choir\nDTSTART;TZID=Europe/Berlin:20260203T190000\nDURATION:PT2H\nRRULE:FREQ=WEEKLY;COUNT=3"


@dataclass
class Site:
    """A web site with a calendar. `answer` is (status, headers, body)."""

    url: str = ""
    body: str = ""
    answer: tuple[int, dict[str, str], bytes] | None = None
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append({name.lower(): value for name, value in self.headers.items()})
            body = found.body.encode()
            etag = f'"{hash(body)}"'
            status, headers, content = found.answer or (200, {"ETag": etag}, body)
            if found.answer is None and self.headers.get("If-None-Match") == etag:
                status, content = 304, b""
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/secret-token/cal.ics"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def connect(world: World, site: Site) -> dict[str, Any]:
    answer = world.http.post("/api/calendar/connect", json={"userId": str(world.user), "provider": "feed", "url": site.url})
    assert answer.status_code == 200, answer.text
    return answer.json


def test_read_unchanged_and_changed(world: World, site: Site) -> None:
    site.body = calendar(ONE, WEEKLY, head="X-WR-CALNAME:Mine")
    connected = connect(world, site)
    first = world.sync()
    assert (first.connectionId, first.mode, first.added, first.problems) == (connected["connectionId"], "full", 4, [])
    assert {row[5] for row in world.rows()} == {"feed"}
    assert world.one("calendar_connections")["name"] == "Mine"
    assert (world.again().mode, site.asked[-1]["if-none-match"][0]) == ("unchanged", '"')
    site.body = calendar(WEEKLY.replace("COUNT=3", "COUNT=2"))
    changed = world.again()
    assert (changed.unchanged, changed.removed) == (2, 2), "a feed is the whole calendar: what is not in it is gone"
    site.body = calendar(WEEKLY.replace("Choir", "Big choir"), "UID:x\nDTSTART:soon")
    broken = world.again()
    assert (broken.added, broken.updated, broken.removed, broken.refused) == (1, 2, 0, 1)
    assert broken.problems == ["entry 2 (UID x, line 10): DTSTART is not a date or time: soon"]


def test_its_address_is_a_secret(world: World, site: Site) -> None:
    connect(world, site)
    site.answer = (404, {}, b"")
    (job_id,) = world.waiting()
    with pytest.raises(PermanentError, match="the feed answered 404") as error:
        world.services.calendar.sync(world.claimed(job_id))
    shown = world.http.get(f"/api/calendar/connections?userId={world.user}").text
    stored = [world.rows(f"select t::text from {name} t") for name in ("queue_jobs", "calendar_connections", "calendar_secrets")]
    assert "secret-token" not in shown + str(stored) + str(error.value)


def test_it_is_looked_at_again_after_its_time(world: World, site: Site) -> None:
    site.body = calendar(ONE)
    connect(world, site)
    world.sync()
    assert (world.tick(NOW + timedelta(minutes=59)), world.tick(NOW + timedelta(minutes=60))) == (0, 1)
    assert world.sync().mode == "unchanged"


def test_a_feed_and_an_import_of_the_same_calendar_do_not_meet(world: World, site: Site) -> None:
    site.body = calendar(ONE)
    connected = connect(world, site)
    world.sync()
    world.http.post(f"/api/calendar/events/import?userId={world.user}", data=site.body, content_type="text/calendar")
    assert len(world.rows()) == 2
    world.http.delete(f"/api/calendar/connections/{connected['connectionId']}")
    assert [row[0] for row in world.rows()] == ["one"]


def test_what_goes_wrong(world: World, site: Site) -> None:
    connect(world, site)
    (job_id,) = world.waiting()
    job = world.claimed(job_id)
    for answer, error in (
        ((503, {}, b""), TransientError),
        ((200, {}, b"<html>"), PermanentError),
        ((302, {}, b""), PermanentError),
        ((200, {"Content-Length": "999"}, b"BEGIN:VCALENDAR"), TransientError),
    ):
        site.answer = answer
        with pytest.raises(error):
            world.services.calendar.sync(job)
    world.run_sql("update calendar_connections set error = null")
    with world.engine.begin() as conn:
        world.services.calendar.failed(conn, world.user, str(world.one("calendar_connections")["id"]), "the feed answered 503")
    assert world.one("calendar_connections")["error"] == "the feed answered 503"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/a.ics", "https://127.0.0.1:1/a.ics", "https://localhost:1/", "https://[::1]:1/", "https://10.0.0.1/", "https://192.168.1.1/",
        "https://169.254.169.254/latest", "https://0.0.0.0/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:a00:1::]/",
        "http://93.184.216.34/", "ftp://93.184.216.34/",
        "https:///x", "https://[", "https://2130706433/", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_where_a_stranger_must_not_look(url: str) -> None:
    with pytest.raises((CalendarRefused, CalendarDeferred), match="not read|name cannot be found"):
        FeedReader(plain_settings()).fetch(url, etag=None, last_modified=None)


def test_a_redirect_is_checked_like_the_first_address(site: Site) -> None:
    reader = FeedReader(plain_settings(feed_allow_insecure=True))
    site.answer = (302, {"Location": "http://169.254.169.254/latest"}, b"")
    with pytest.raises(CalendarRefused, match="inner network"):
        reader.fetch(site.url, etag=None, last_modified=None)
    site.answer = (302, {"Location": "/again"}, b"")
    with pytest.raises(CalendarRefused, match="from one address to the next"):
        reader.fetch(site.url, etag=None, last_modified=None)


def test_what_is_no_address(world: World) -> None:
    for url in ("", "cal.ics", "javascript:alert(1)", "https://", "https://exa mple/", "https://é.example/", "https://x:99999/"):
        answer = world.http.post("/api/calendar/connect", json={"userId": str(world.user), "provider": "feed", "url": url})
        assert (answer.status_code, answer.json["error"][:12]) == (400, "url: expects"), url
