"""Phases and an onboarding analysis through a real worker and a model that speaks the provider's protocol."""

from __future__ import annotations

import json
import threading

from sqlalchemy import text

from tests.support.llm_server import LLMServer, answer, wait_for
from tests.support.plan_world import plan
from tests.support.processes import Workers, history, wait_status
from tests.support.processes import wait_for as wait_until
from tests.support.servers import Database

PEOPLE = """
    with person as (insert into users (email, timezone) values ('ada@example.com', 'Europe/Berlin') returning id),
    project as (insert into projects (user_id, name) select id, 'Garden' from person returning id, user_id),
    dig as (insert into tasks (user_id, project_id, title, created_at) select user_id, id, 'dig', '2026-01-01' from project returning *),
    plant as (insert into tasks (user_id, project_id, title, created_at) select user_id, id, 'plant', '2026-01-02' from project returning *),
    needs as (insert into task_dependencies (user_id, task_id, depends_on_task_id) select d.user_id, d.id, p.id from dig d, plant p)
    select user_id, id from project
"""
ANALYSIS = {
    "insights": ["One"], "workflow_suggestions": ["Two"], "recommended_features": ["daily_brief"], "adhd_practices": ["Three"],
    "questions": ["When?", "Where?"],
}  # fmt: skip


def add(database: Database, user: object, job_type: str, metadata: dict) -> object:
    with database.engine.begin() as conn:
        return conn.execute(
            text("select add_queue_job(:user, :job_type, cast(:metadata as jsonb), 5)"),
            {"user": user, "job_type": job_type, "metadata": json.dumps(metadata)},
        ).scalar_one()


def test_from_the_queue_to_rows_events_and_notifications(database: Database, workers: Workers) -> None:
    with database.engine.begin() as conn:
        user, project = conn.execute(text(PEOPLE)).one()
    thought = threading.Event()
    with LLMServer() as server:
        server.behave("first", wait_for(thought, plan(["T1"], ["T2"])))
        workers.start(OPENAI_API_KEY="key", OPENAI_BASE_URL=server.base_url, LLM_MODELS="first")
        phases = add(
            database,
            user,
            "generate_phases",
            {"projectId": str(project), "options": {"scheduling_method": "calendar_optimized"}},
        )
        says = "select metadata #>> '{generation_progress,message}' from queue_jobs where id = :id"

        def ticked() -> bool:
            with database.engine.connect() as conn:
                return "s)" in (conn.execute(text(says), {"id": phases}).scalar() or "")

        wait_until(ticked, "a sign of life while the model thinks")
        thought.set()
        done = wait_status(database, phases)
        assert done.result == {"projectId": str(project), "phaseCount": 1, "backlogCount": 0, "plannedBy": "model"}, (
            done.error_message
        )
        assert history(database, phases)[-1] == ("processing", "completed")
        server.behave("first", answer(json.dumps(ANALYSIS)))
        onboarding = add(database, user, "onboarding_analysis", {"userContext": {"goals": ["Build a product"]}})
        done = wait_status(database, onboarding)
        assert (done.status, done.result["questionsGenerated"], done.result["analyzedBy"]) == (
            "completed",
            2,
            "model",
        ), done.error_message
    with database.engine.connect() as conn:
        events = conn.execute(
            text("select event, payload from row_events where event like '%completed' order by id")
        ).all()
        assert [tuple(event) for event in events] == [
            ("phases_completed", {"projectId": str(project), "phaseCount": 1}),
            ("onboarding_completed", {"questionsGenerated": 2}),
        ]
        titles = (
            conn.execute(text('select title from phase_tasks join tasks t on t.id = task_id order by "order"'))
            .scalars()
            .all()
        )
        assert titles == ["plant", "dig"]
        told = conn.execute(
            text(
                "select metadata ->> 'eventType', metadata ->> 'correlationId' from queue_jobs where job_type = 'send_notification' order by created_at"
            )
        ).all()
        assert [tuple(each) for each in told] == [
            ("phases.ready", str(phases)),
            ("onboarding.completed", str(onboarding)),
        ]
