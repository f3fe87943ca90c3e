"""A user with a finished brief, jobs that are really added and claimed, and a mail that does what the test says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from app.features.email.sending import Sender
from app.features.email.service import EmailService
from app.ports.mail import MailMessage
from app.queue import claims
from app.queue.adding import add_job
from app.queue.running import RunningJob
from tests.support.clock import FixedClock
from tests.support.servers import Database

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
HERE = "https://jobs.example.com"
MARKDOWN = (
    "# Sunday\n\nHello Ada.\n\nSee [the board](https://board.example/?a=1&b=2) or [write](mailto:bob@example.com).\n"
)


class PowerCut(BaseException):
    """The process ends here, as by `kill -9`."""


@dataclass
class Post:
    """A `Mail` in this process. `before` runs before the last look, `after` when the mail has gone."""

    name: str = "smtp"
    gone: list[MailMessage] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    knows: bool = False  # whether it can say what has gone

    def send(self, message: MailMessage, handing_over: Callable[[], None]) -> str:
        self.before()
        handing_over()
        self.gone.append(message)
        self.after()
        return f"<id-{len(self.gone)}>"

    def has_gone(self, message: MailMessage) -> bool:
        return self.knows and any(each.delivery_id == message.delivery_id for each in self.gone)


class World:
    """The database of one test, seen as one user's mail."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clock = FixedClock(NOW)
        self.mail = Post()
        self.own_mail = Post("outbox")
        self.slept: list[float] = []
        self.user = self.add("users", email="ada@example.com")
        self.brief = self.add(
            "daily_briefs", brief_date="2026-11-22", generation_status="completed", summary_content=MARKDOWN
        )
        self.email = self.add(
            "emails", daily_brief_id=self.brief, subject="Your brief for <Sunday>", text_content=MARKDOWN
        )

    def service(self, public_url: str | None = HERE) -> EmailService:
        sender = Sender(self.engine, self.clock, public_url=public_url, domain="example.com", sleep=self.slept.append)
        return EmailService(sender, self.mail, self.own_mail)

    def add(self, table: str, **values: Any) -> UUID:
        """Insert a row and return its id."""
        if table != "users":
            values.setdefault("user_id", self.user)
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self.engine.begin() as conn:
            return conn.execute(
                text(f"insert into {table} ({names}) values ({marks}) returning id"), values
            ).scalar_one()

    def job(self, job_type: str = "generate_brief_email", **metadata: Any) -> UUID:
        """Add a job; a brief email's metadata are those of this world unless said otherwise."""
        if job_type == "generate_brief_email":
            known = {"emailId": str(self.email), "briefId": str(self.brief), "recipientEmail": "ada@example.com"}
            metadata = {**known, **metadata}
        with self.engine.begin() as conn:
            return add_job(conn, job_type, user_id=self.user, metadata=metadata).id

    def claimed(self, job_id: UUID) -> RunningJob:
        """Claim a pending job as a worker does."""
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

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.engine.connect() as conn:
            return [dict(row) for row in conn.execute(text(query), values).mappings()]

    def one(self, table: str) -> dict[str, Any]:
        """The only row of a table."""
        (row,) = self.rows(f"select * from {table}")
        return row

    def tries(self) -> list[str]:
        """What became of each try to send, in order."""
        return [row["status"] for row in self.rows("select status from email_logs order by created_at")]

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self.rows("select event, payload from row_events where event is not null order by id")
        return [(row["event"], row["payload"]) for row in rows]

    def run_sql(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(
                text(statement), {name: json.dumps(v) if isinstance(v, dict) else v for name, v in values.items()}
            )


@pytest.fixture
def world(database: Database) -> World:
    return World(database.engine)
