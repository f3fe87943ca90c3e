"""From the outside to the outside, in one go: a request becomes a finished brief, and the browser hears of every step."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import text

from tests.support.api import Browser, running_api
from tests.support.llm_server import LLMServer, answer, status
from tests.support.people import add_user
from tests.support.processes import Workers, wait_for
from tests.support.servers import Database

DAY = date(2026, 12, 24)


def _work(database: Database, user: Any) -> None:
    with database.engine.begin() as conn:
        project = conn.execute(
            text("insert into projects (user_id, name) values (:u, 'Launch') returning id"), {"u": user}
        ).scalar_one()
        conn.execute(
            text(
                "insert into tasks (user_id, project_id, title, priority, due_date) values "
                "(:u, :p, 'Write the announcement', 'high', '2026-12-24 15:00Z'), (:u, :p, 'Pay the printer', 'low', '2026-12-20 12:00Z')"
            ),
            {"u": user, "p": project},
        )
        conn.execute(
            text(
                "insert into calendar_events (user_id, title, start_time, end_time) "
                "values (:u, 'Stand-up', '2026-12-24 09:00Z', '2026-12-24 09:15Z')"
            ),
            {"u": user},
        )


def test_a_request_becomes_a_brief_that_the_browser_hears_of(
    database: Database, workers: Workers, process_env: dict[str, str], tmp_path: Path
) -> None:
    user, other = add_user(database.engine, timezone="Europe/Berlin"), add_user(database.engine)
    _work(database, user)
    workers.start()
    with running_api(process_env, tmp_path) as api:
        browser, stranger = (Browser(api.url, {"userId": str(u)}).connect() for u in (user, other))
        assert browser.subscribe(user)["status"] == "SUBSCRIBED"

        reply = requests.post(
            f"{api.url}/queue/brief", json={"userId": str(user), "briefDate": DAY.isoformat(), "forceImmediate": True}, timeout=10
        )
        assert reply.status_code == 200, reply.text
        job_id = reply.json()["jobId"]
        browser.wait_for(lambda heard: heard.named("brief_completed") and heard.states()[-1:] == ["completed"])

        job = requests.get(f"{api.url}/jobs/{job_id}", timeout=10).json()
        events = requests.get(f"{api.url}/jobs/{job_id}/events", timeout=10).json()["events"]
        brief = requests.get(f"{api.url}/users/{user}/briefs/{DAY}", timeout=10).json()

    assert job["status"] == "completed" and job["progress"]["current"] == 100 and job["priority"] == 1
    assert job["created_at"] <= job["started_at"] <= job["completed_at"]
    assert [(event["from"], event["to"]) for event in events] == [
        (None, "pending"), ("pending", "processing"), ("processing", "completed"),
    ]  # fmt: skip
    assert job["result"] | {"briefId": ""} == {
        "briefId": "", "briefDate": "2026-12-24", "projectBriefsGenerated": 1, "emailSent": False,
    }  # fmt: skip

    with database.engine.connect() as conn:
        row = conn.execute(text("select * from daily_briefs where user_id = :u"), {"u": user}).one()
    assert (str(row.id), row.generation_status, row.llm_analysis) == (job["result"]["briefId"], "completed", None)
    for words in ("Write the announcement", "Pay the printer", "Stand-up", "Launch"):
        assert words in row.summary_content
    assert brief["summary_content"] == row.summary_content

    told = browser.named("brief_completed")
    assert [{k: v for k, v in event.items() if k != "cursor"} for event in told] == [
        {"briefId": str(row.id), "briefDate": "2026-12-24", "timezone": "Europe/Berlin"}
    ]
    states = browser.states()
    assert states[0] in ("pending", "processing") and states[-1] == "completed"
    percents = [
        change["new"]["metadata"]["generation_progress"]["progress"]
        for change in browser.named("postgres_changes")
        if change["table"] == "queue_jobs" and "generation_progress" in change["new"]["metadata"]
    ]
    assert percents == sorted(percents) and percents[-1] == 100
    assert any(change["table"] == "daily_briefs" for change in browser.named("postgres_changes"))
    assert stranger.heard == []
    for client in (browser, stranger):
        client.leave()


@pytest.mark.parametrize("fails", [False, True], ids=["model answers", "model is down"])
def test_the_language_model_adds_to_a_brief_and_never_costs_it(
    database: Database, workers: Workers, process_env: dict[str, str], tmp_path: Path, fails: bool
) -> None:
    user = add_user(database.engine)
    _work(database, user)
    with LLMServer() as model, running_api(process_env, tmp_path) as api:
        model.behave("gpt-4o", status(500) if fails else answer("Begin with the announcement."))
        workers.start(OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=model.base_url, LLM_MODELS="openai/gpt-4o")
        requests.post(f"{api.url}/queue/brief", json={"userId": str(user), "briefDate": str(DAY)}, timeout=10)

        def brief() -> Any:
            with database.engine.connect() as conn:
                return conn.execute(
                    text("select * from daily_briefs where user_id = :u and generation_status = 'completed'"), {"u": user}
                ).first()

        row = wait_for(brief, "the brief is made")
    assert row.llm_analysis is None if fails else "Begin with the announcement." in row.llm_analysis
    assert row.llm_model == (None if fails else "openai/gpt-4o")
