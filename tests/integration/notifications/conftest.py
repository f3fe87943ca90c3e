"""A user with browsers, jobs that are really added and claimed, and a push that does what the test says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from app.features.notifications.service import NotificationService
from app.ports.push import PushMessage, Subscription
from app.queue import claims
from app.queue.adding import add_job
from app.queue.errors import PermanentError, TransientError, describe, is_retryable
from app.queue.notification_events import NotificationResult
from app.queue.running import RunningJob
from tests.support.clock import FixedClock
from tests.support.servers import Database

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TASK = {"taskId": "t1", "taskTitle": "Launch *new* feature", "projectId": "p1"}


class PowerCut(BaseException):
    """The process ends here, as by `kill -9`."""


@dataclass
class Pushes:
    """A `Push` in this process. `errors` by browser, one for each try; `before` and `after` the push has gone run for each."""

    name: str = "web"
    gone: list[tuple[str, PushMessage]] = field(default_factory=list)
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None

    def send(self, subscription: Subscription, message: PushMessage, handing_over: Callable[[], None]) -> None:
        self.before()
        handing_over()
        browser = subscription.endpoint.rpartition("/")[2]
        if waiting := self.errors.get(browser):
            raise waiting.pop(0)
        self.gone.append((browser, message))
        self.after()

    @property
    def to(self) -> list[str]:
        """The browsers that were pushed to, in order."""
        return [browser for browser, _ in self.gone]


class World:
    """The database of one test, seen as one user's notifications."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clock = FixedClock(NOW)
        self.push = Pushes()
        self.user = self.add("users", email="ada@example.com", timezone="Europe/Berlin")

    @property
    def service(self) -> NotificationService:
        return NotificationService(self.engine, self.clock, self.push, web_app="https://app.example")

    def add(self, table: str, **values: Any) -> UUID:
        """Insert a row and return its id."""
        if table != "users":
            values.setdefault("user_id", self.user)
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        values = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()}
        with self.engine.begin() as conn:
            return conn.execute(
                text(f"insert into {table} ({names}) values ({marks}) returning id"), values
            ).scalar_one()

    def browsers(self, *names: str) -> None:
        """Subscribe these; the last one is pushed to first."""
        for name in names:
            self.add("push_subscriptions", endpoint=f"https://push.example/{name}", p256dh="k", auth="a")

    def job(
        self, channel: str = "push", event_type: str = "task_completed", payload: Any = None, **metadata: Any
    ) -> UUID:
        known = {"channel": channel, "eventType": event_type, "payload": TASK if payload is None else payload}
        with self.engine.begin() as conn:
            return add_job(conn, "send_notification", user_id=self.user, metadata={**known, **metadata}).id

    def claimed(self, job_id: UUID) -> RunningJob:
        """Claim a job as a worker does, whenever it is due."""
        with self.engine.begin() as conn:
            conn.execute(
                text("update queue_jobs set status = 'pending' where id = :id and status = 'retrying'"), {"id": job_id}
            )
            conn.execute(
                text("update queue_jobs set scheduled_for = now() where id = :id and status = 'pending'"),
                {"id": job_id},
            )
            self.held = claims.claim(conn, job_id, f"task-{job_id}", "test-worker")
        assert self.held is not None
        return RunningJob(self.engine, self.held)

    def run(self, job_id: UUID) -> NotificationResult | str:
        """Run a job to its end as a worker does, and record that end. Returns the result, or the error's message."""
        running = self.claimed(job_id)
        try:
            result = self.service.send(running)
        except (PermanentError, TransientError) as error:
            retry = is_retryable(error)
            with self.engine.begin() as conn:
                assert claims.fail(conn, self.held, describe(error), retry=retry)
                self.service.failed(
                    conn, job_id=job_id, user_id=self.user, metadata=self.held.metadata, error=describe(error)
                )
            return describe(error)
        with self.engine.begin() as conn:
            claims.complete_many(conn, [claims.Outcome(job_id, self.held.token, None)])
        return result

    def take_back(self) -> None:
        """The worker of the last claim is lost: its job is pending again."""
        with self.engine.begin() as conn:
            assert claims.release(conn, self.held, "worker lost")

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.engine.connect() as conn:
            return [dict(row) for row in conn.execute(text(query), values).mappings()]

    def one(self, table: str) -> dict[str, Any]:
        """The only row of a table."""
        (row,) = self.rows(f"select * from {table}")
        return row

    def delivery(self) -> tuple[str, str | None]:
        """(status, reason) of the only delivery."""
        row = self.one("notification_deliveries")
        return row["status"], row["reason"]

    def jobs(self, job_type: str) -> list[dict[str, Any]]:
        return self.rows(
            "select * from queue_jobs where job_type = cast(:t as queue_type) order by created_at", t=job_type
        )

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self.rows("select event, payload from row_events where event is not null order by id")
        return [(row["event"], row["payload"]) for row in rows]


@pytest.fixture
def world(database: Database) -> World:
    return World(database.engine)
