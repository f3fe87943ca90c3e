"""A user with work to do, and jobs that are really added, claimed and run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from app.features.briefs.service import BriefService
from app.ports.llm import Completion, LLMUnavailable
from app.queue import claims
from app.queue.adding import add_job
from app.queue.models import DailyBriefResult
from app.queue.running import RunningJob

NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)  # a Sunday, 07:30 in Berlin
TODAY = "2026-11-22"


class FixedClock:
    """Always the same moment."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


@dataclass
class Model:
    """A language model in this process. `says` is its answer; an exception is raised instead; a function is called."""

    says: str | Exception | Callable[[], str] = "Begin with the **invoice**."
    asked: int = 0
    read: str = ""

    def complete(self, *, system: str, user: str, max_tokens: int = 1200) -> Completion:
        self.asked += 1
        self.read = user
        if isinstance(self.says, Exception):
            raise self.says
        return Completion(self.says() if callable(self.says) else self.says, "test/model")


class World:
    """The database of one test, seen as a user's work."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.model = Model()
        self.clock = FixedClock()
        self.user = self.add("users", email="ada@example.com", name="Ada", timezone="Europe/Berlin", country="DE")

    def service(self, **options: Any) -> BriefService:
        return BriefService(self.engine, self.clock, options.pop("llm", self.model), **options)

    def add(self, table: str, **values: Any) -> UUID:
        """Insert a row and return its id. A user's own rows belong to the user of this world unless said otherwise."""
        if table != "users":
            values.setdefault("user_id", self.user)
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        with self.engine.begin() as conn:
            return conn.execute(
                text(f"insert into {table} ({names}) values ({marks}) returning id"), values
            ).scalar_one()

    def job(self, *, user: UUID | None = None, **metadata: Any) -> UUID:
        """Add a brief job and return its id."""
        with self.engine.begin() as conn:
            given = {"briefDate": TODAY, **metadata}
            return add_job(conn, "generate_daily_brief", user_id=user or self.user, metadata=given).id

    def claimed(self, job_id: UUID) -> RunningJob:
        """Claim a pending job as a worker does."""
        with self.engine.begin() as conn:
            held = claims.claim(conn, job_id, f"task-{job_id}", "test-worker")
        assert held is not None
        self.held = held
        return RunningJob(self.engine, held)

    def run(self, service: BriefService | None = None, **metadata: Any) -> DailyBriefResult:
        """Add, claim and run a brief job."""
        return (service or self.service()).generate(self.claimed(self.job(**metadata)))

    def complete(self, result: DailyBriefResult) -> None:
        """End the job claimed last as its worker does."""
        with self.engine.begin() as conn:
            outcome = claims.Outcome(self.held.job_id, self.held.token, result.model_dump_json())
            assert claims.complete_many(conn, [outcome]) == {self.held.job_id}

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.engine.connect() as conn:
            return [dict(row) for row in conn.execute(text(query), values).mappings()]

    def brief(self, day: str = TODAY) -> dict[str, Any]:
        """The user's brief of a day."""
        found = self.rows("select * from daily_briefs where user_id = :u and brief_date = :d", u=self.user, d=day)
        assert len(found) == 1
        return found[0]

    def page(self, day: str = TODAY) -> str:
        return self.brief(day)["summary_content"]

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """The named events sent so far."""
        found = self.rows("select event, payload from row_events where event is not null order by id")
        return [(row["event"], row["payload"]) for row in found]

    def email_jobs(self) -> list[dict[str, Any]]:
        return [
            row["metadata"]
            for row in self.rows(
                "select metadata from queue_jobs where job_type = 'generate_brief_email' order by created_at"
            )
        ]

    def progress(self, job_id: UUID) -> dict[str, Any]:
        [row] = self.rows(
            "select metadata -> 'generation_progress' as progress from queue_jobs where id = :id", id=job_id
        )
        return row["progress"]

    def progress_log(self) -> Callable[[], list[dict[str, Any]]]:
        """Keep every progress report from here on; the function returned reads them."""
        with self.engine.begin() as conn:
            conn.exec_driver_sql("""
                create table progress_log (n bigint generated always as identity, report jsonb);
                create function log_progress() returns trigger language plpgsql as $$
                begin
                    insert into progress_log (report) values (new.metadata -> 'generation_progress');
                    return null;
                end $$;
                create trigger log_progress after update of metadata on queue_jobs for each row
                    when (new.metadata -> 'generation_progress' is distinct from old.metadata -> 'generation_progress')
                    execute function log_progress();
            """)
        return lambda: [row["report"] for row in self.rows("select report from progress_log order by n")]


@pytest.fixture
def world(database) -> World:
    return World(database.engine)


@pytest.fixture
def busy(world: World) -> World:
    """A user with two projects, an inbox, a calendar."""
    site = world.add("projects", name="Website", context="Relaunch in January")
    tax = world.add("projects", name="Tax return")
    world.add("projects", name="Old things", status="archived")
    for title, project, values in [
        ("Send the invoice", site, {"due_date": "2026-11-20T09:00Z", "priority": "high"}),
        ("Publish the page", site, {"due_date": "2026-11-22T13:00Z", "status": "in_progress"}),
        ("Write copy", site, {"due_date": "2026-11-24T09:00Z"}),
        (
            "Fix the footer",
            site,
            {"status": "done", "completed_at": "2026-11-21T17:00Z", "due_date": "2026-11-21T17:00Z"},
        ),
        ("Thrown away", site, {"due_date": "2026-11-22T13:00Z", "deleted_at": "2026-11-21T17:00Z"}),
        ("Some day", site, {}),
        ("Collect receipts", tax, {"due_date": "2026-11-22T23:00Z", "all_day": True}),
        ("Renew passport", None, {"start_date": "2026-11-21T23:00Z", "all_day": True}),
    ]:
        world.add("tasks", title=title, project_id=project, **values)
    world.add("notes", project_id=site, title="Call with Anna", content="blue, not green")
    world.add("calendar_events", title="Stand-up", start_time="2026-11-22T08:30Z", end_time="2026-11-22T08:45Z")
    world.add(
        "calendar_events",
        title="Cancelled",
        start_time="2026-11-22T08:30Z",
        end_time="2026-11-22T08:45Z",
        status="cancelled",
    )
    world.site, world.tax = site, tax
    return world


def unavailable() -> Model:
    return Model(says=LLMUnavailable("no language model is configured"))


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
