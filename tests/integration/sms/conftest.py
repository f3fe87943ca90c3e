"""A user with a verified number, jobs that are really added and claimed, and Twilio on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from app.adapters.sms_none import NoSms
from app.adapters.sms_twilio import TwilioSms
from app.features.calendar.service import ensure_expanded
from app.features.sms.service import SmsService
from app.queue import claims
from app.queue.adding import add_job
from app.queue.errors import PermanentError, TransientError
from app.queue.running import RunningJob
from tests.support.clock import FixedClock
from tests.support.servers import Database, plain_settings
from tests.support.twilio_server import TwilioServer, twilio_server

# What the triggers do, they do by the database's clock: a noon that is always to come, far from any clock change.
NOW = datetime(2030, 1, 15, 12, 0, tzinfo=UTC)
NUMBER = "+14155552671"
HERE = "https://jobs.example.com"


class World:
    """The database of one test, seen as one user's text messages."""

    def __init__(self, engine: Engine, twilio: TwilioServer) -> None:
        self.engine = engine
        self.twilio = twilio
        self.clock = FixedClock(NOW)
        self.slept: list[float] = []
        twilio.clock = NOW
        self.user = self.add("users", email="ada@example.com", timezone="UTC")
        self.add("user_sms_preferences", phone_number=NUMBER, phone_verified=True, event_reminders_enabled=True)
        self.service = self.service_on(TwilioSms(plain_settings(**twilio.settings(public_url=HERE))))

    def service_on(self, sms: Any = None) -> SmsService:
        return SmsService(self.engine, self.clock, sms or NoSms(), ensure_expanded, sleep=self.slept.append)

    def add(self, table: str, **values: Any) -> UUID:
        """Insert a row and return its id."""
        if table != "users":
            values.setdefault("user_id", self.user)
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self.engine.begin() as conn:
            return conn.execute(
                text(f"insert into {table} ({names}) values ({marks}) returning id"), values
            ).scalar_one()

    def event(self, title: str = "Standup", start: datetime = NOW + timedelta(hours=2), **values: Any) -> UUID:
        return self.add(
            "calendar_events", title=title, start_time=start, end_time=start + timedelta(minutes=30), **values
        )

    def change(self, table: str, key: UUID | None = None, **values: Any) -> None:
        """Update the user's rows of a table, or the one with that id."""
        names = ", ".join(f"{name} = :{name}" for name in values)
        where = "id = :key" if key else "id = :user" if table == "users" else "user_id = :user"
        self.run_sql(f"update {table} set {names} where {where}", **values, key=key, user=self.user)

    def run_sql(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(text(statement), values)

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.engine.connect() as conn:
            return [dict(row) for row in conn.execute(text(query), values).mappings()]

    def message(self) -> dict[str, Any]:
        """The only message."""
        (row,) = self.rows("select * from sms_messages")
        return row

    def copies(self) -> list[str]:
        """What became of each copy, in order."""
        return [row["status"] for row in self.rows("select status from sms_delivery order by created_at")]

    def waiting(self, job_type: str = "send_sms") -> list[dict[str, Any]]:
        """The jobs of a type that wait, in order."""
        return self.rows(
            "select * from queue_jobs where job_type::text = :type and status in ('pending', 'retrying') order by scheduled_for",
            type=job_type,
        )

    def job(self, job_type: str = "send_sms", **metadata: Any) -> UUID:
        """Add a job, by default a message to the user's own number."""
        if job_type == "send_sms" and "message_id" not in metadata:
            metadata = {"phone_number": NUMBER, "message": "Hello Ada", **metadata}
        with self.engine.begin() as conn:
            return add_job(conn, job_type, user_id=self.user, metadata=metadata).id

    def claimed(self, job_id: UUID) -> RunningJob:
        """Claim a job as a worker does, as if it were due."""
        self.run_sql("update queue_jobs set scheduled_for = now() where id = :id and status = 'pending'", id=job_id)
        with self.engine.begin() as conn:
            held = claims.claim(conn, job_id, f"task-{job_id}", "test-worker")
        assert held is not None
        self.held = held
        return RunningJob(self.engine, held)

    def again(self, job_id: UUID) -> RunningJob:
        """The next run of a job whose worker was lost: taken back and claimed anew."""
        with self.engine.begin() as conn:
            assert claims.release(conn, self.held, "worker lost")
        return self.claimed(job_id)

    def finish(self, job_id: UUID) -> None:
        self.run_sql("select complete_queue_job(:id)", id=job_id)

    def send(self, job_id: UUID | None = None, **metadata: Any) -> str:
        """Send by a job; what came of it: the sid, or why not."""
        job_id = job_id or self.job(**metadata)
        try:
            result = self.service.send(self.claimed(job_id))
        except (PermanentError, TransientError) as error:
            return f"{'no' if isinstance(error, PermanentError) else 'later'}: {error}"
        self.finish(job_id)
        return result.messageSid or f"postponed to {result.postponedTo}"

    def plan(self, day: datetime = NOW, timezone: str = "UTC", **metadata: Any) -> tuple[int, int, int]:
        """Plan a day: (scheduled, skipped, failed)."""
        metadata = {"date": day.date().isoformat(), "timezone": timezone, "scheduled": True, **metadata}
        job_id = self.job("schedule_daily_sms", **metadata)
        result = self.service.plan_day(self.claimed(job_id))
        self.finish(job_id)
        return result.scheduled_count, result.skipped_count, result.failed_count


@pytest.fixture
def twilio() -> Iterator[TwilioServer]:
    with twilio_server() as server:
        yield server


@pytest.fixture
def world(database: Database, twilio: TwilioServer) -> World:
    return World(database.engine, twilio)
