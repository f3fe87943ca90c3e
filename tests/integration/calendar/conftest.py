"""Somebody who lives in Berlin, Google on this machine, and jobs that are really added, claimed and run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.serving import make_server

from app.features.calendar import connections
from app.queue import claims
from app.queue.models import CalendarSyncResult
from app.queue.running import RunningJob
from app.web.app import create_app
from app.wiring import build
from tests.support.clock import FixedClock
from tests.support.google_calendar import Google, google_calendar
from tests.support.people import add_user
from tests.support.servers import Database, plain_settings

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
EVENTS = "select external_id, title, start_time, end_time, status, sync_source from calendar_events order by start_time, external_id"


def rows(engine: Engine, query: str, **values: Any) -> list[tuple]:
    """All rows of a query."""
    with engine.begin() as conn:
        return [tuple(row) for row in conn.execute(text(query), values)]


@pytest.fixture
def user(database: Database) -> UUID:
    return add_user(database.engine, timezone="Europe/Berlin")


class World:
    """One user's calendars: the API, Google, and the jobs that wait."""

    def __init__(self, database: Database, redis_url: str, user: UUID, google: Google, clock: FixedClock, **more: Any):
        self.engine, self.user, self.google, self.clock = database.engine, user, google, clock
        given = {"public_url": None, "feed_allow_insecure": True, **google.settings(), **more}
        self.settings = plain_settings(database_url=database.url, redis_url=redis_url, **given)
        self.services = build(self.settings, engine=database.engine, clock=clock)
        self.app = create_app(self.services)
        self.http: FlaskClient = self.app.test_client()

    def rows(self, query: str = EVENTS, **values: Any) -> list[tuple]:
        return rows(self.engine, query, **values)

    def one(self, table: str) -> dict[str, Any]:
        """The only row of a table."""
        with self.engine.begin() as conn:
            (row,) = conn.execute(text(f"select * from {table}")).mappings()
        return dict(row)

    def run_sql(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(text(statement), values)

    def connect(self) -> str:
        """Connect Google as a person does: ask, consent, come back. The connection's id."""
        asked = self.http.post("/api/calendar/connect", json={"userId": str(self.user)})
        back = self.google.consent(asked.json["url"])
        answer = self.http.get(back.removeprefix("http://localhost"))
        assert answer.status_code == 200, answer.text
        return answer.json["connectionId"]

    def waiting(self) -> list[UUID]:
        """The syncs that wait, the oldest first."""
        return [row[0] for row in self.rows("select id from queue_jobs where job_type = 'sync_calendar' and status = 'pending' order by created_at")]

    def claimed(self, job_id: UUID) -> RunningJob:
        """Claim a job as a worker does."""
        with self.engine.begin() as conn:
            held = claims.claim(conn, job_id, f"task-{job_id}", "test-worker")
        assert held is not None
        return RunningJob(self.engine, held)

    def sync(self) -> CalendarSyncResult:
        """Run the one sync that waits, to its end."""
        (job_id,) = self.waiting()
        job = self.claimed(job_id)
        result = self.services.calendar.sync(job)
        self.run_sql("update queue_jobs set status = 'completed' where id = :id", id=job_id)
        return result

    def again(self) -> CalendarSyncResult:
        """Ask for a sync, and run it."""
        (connection,) = self.rows("select id from calendar_connections")[0]
        asked = self.http.post("/queue/calendar-sync", json={"userId": str(self.user), "calendarId": str(connection)})
        assert asked.status_code == 200, asked.text
        return self.sync()

    def tick(self, now: datetime) -> int:
        """What Beat starts every five minutes: how many syncs it queued."""
        with self.engine.begin() as conn:
            return connections.queue_due(conn, now)

    def titles(self) -> list[str]:
        return [row[1] for row in self.rows()]

    def task(self, title: str = "Write report", **values: Any) -> UUID:
        """A task of the user's."""
        values = {"user_id": self.user, "title": title, **values}
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self.engine.begin() as conn:
            return conn.execute(text(f"insert into tasks ({names}) values ({marks}) returning id"), values).scalar_one()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def google(clock: FixedClock) -> Iterator[Google]:
    with google_calendar(clock.now) as running:
        yield running


@pytest.fixture
def world(database: Database, redis_url: str, user: UUID, google: Google, clock: FixedClock) -> World:
    return World(database, redis_url, user, google, clock)


@pytest.fixture
def reachable(database: Database, redis_url: str, user: UUID, google: Google, clock: FixedClock) -> Iterator[World]:
    """The same, where Google can really call us."""
    server = make_server("127.0.0.1", 0, lambda environ, start: world.app.wsgi_app(environ, start), threaded=True)
    world = World(database, redis_url, user, google, clock, public_url=f"http://127.0.0.1:{server.port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield world
    google.settle()
    server.shutdown()
    server.server_close()
    thread.join()
