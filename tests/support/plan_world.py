"""A user with a project, jobs that are really added, claimed and run, and the API on the same services."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from app.queue import claims
from app.queue.adding import add_job
from app.queue.running import RunningJob
from app.web.app import create_app
from app.wiring import Services, build
from tests.support.clock import FixedClock
from tests.support.llm import NO_MODEL, SaysInTurn
from tests.support.servers import Database, plain_settings

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)  # a Monday, 07:00 in Berlin


class PlanWorld:
    """The database of one test. `model` answers in turn; without answers there is no model."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self.engine: Engine = database.engine
        self.clock = FixedClock(NOW)
        self.model = SaysInTurn([NO_MODEL])
        settings = plain_settings(database_url=database.url, redis_url=redis_url)
        self.services: Services = build(settings, engine=self.engine, clock=self.clock, llm=self.model)
        self.user = self.add("users", email="ada@example.com", name="Ada", timezone="Europe/Berlin")

    def http(self) -> FlaskClient:
        return create_app(self.services).test_client()

    def add(self, table: str, **values: Any) -> UUID:
        """Insert a row and return its id. Rows belong to the user of this world unless said otherwise."""
        if table != "users":
            values.setdefault("user_id", self.user)
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self.engine.begin() as conn:
            return conn.execute(
                text(f"insert into {table} ({names}) values ({marks}) returning id"), values
            ).scalar_one()

    def run_sql(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(text(statement), values)

    def project(self, *titles: str, needs: dict[str, str] | None = None, **values: Any) -> UUID:
        """A project with tasks of these titles; `needs`: title → title of what it depends on. Ids by title in `self.tasks`."""
        project = self.add("projects", name=values.pop("name", "Garden"), **values)
        self.tasks = {
            title: self.add("tasks", title=title, project_id=project, created_at=NOW.replace(second=number))
            for number, title in enumerate(titles)
        }
        for title, need in (needs or {}).items():
            self.run_sql(
                "insert into task_dependencies (user_id, task_id, depends_on_task_id) values (:user, :task, :need)",
                user=self.user, task=self.tasks[title], need=self.tasks[need],
            )  # fmt: skip
        return project

    def job(self, job_type: str, metadata: dict[str, Any], *, user: UUID | None = None, **more: Any) -> UUID:
        with self.engine.begin() as conn:
            return add_job(conn, job_type, user_id=user or self.user, metadata=metadata, **more).id

    def claimed(self, job_id: UUID) -> RunningJob:
        """Claim a pending job as a worker does."""
        with self.engine.begin() as conn:
            held = claims.claim(conn, job_id, f"task-{job_id}", "test-worker")
        assert held is not None
        self.held = held
        return RunningJob(self.engine, held)

    def again(self) -> RunningJob:
        """The next run of the job claimed last: its worker was lost."""
        with self.engine.begin() as conn:
            assert claims.release(conn, self.held, "worker lost")
        return self.claimed(self.held.id)

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.engine.connect() as conn:
            return [dict(row) for row in conn.execute(text(query), values).mappings()]

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """The named events sent so far."""
        found = self.rows("select event, payload from row_events where event is not null order by id")
        return [(row["event"], row["payload"]) for row in found]

    def notifications(self) -> list[dict[str, Any]]:
        """Metadata of the notification jobs queued so far."""
        found = self.rows("select metadata from queue_jobs where job_type = 'send_notification' order by created_at")
        return [row["metadata"] for row in found]

    def statuses(self, job_type: str) -> list[str]:
        return [row["status"] for row in self.rows(
            "select status::text from queue_jobs where job_type = cast(:t as queue_type) order by created_at", t=job_type
        )]  # fmt: skip

    def phases(self, project: UUID) -> list[list[str]]:
        """Titles of the tasks, phase by phase."""
        found = self.rows(
            """select p."order", array_agg(t.title order by pt."order") as titles from phases p
               join phase_tasks pt on pt.phase_id = p.id join tasks t on t.id = pt.task_id
               where p.project_id = :project group by p.id order by p."order" """,
            project=project,
        )
        assert [row["order"] for row in found] == list(range(1, len(found) + 1))
        return [row["titles"] for row in found]


def plan(*phases: list[str], **more: Any) -> str:
    """What a model might answer: phases of task ids."""
    made = [
        {"name": f"Phase {n}", "description": "d", "tasks": [{"id": each, "reason": "so"} for each in listed]}
        for n, listed in enumerate(phases, 1)
    ]
    return json.dumps({"summary": "A plan.", "phases": made, **more})
