"""A brief in real workers, with a language model on this machine."""

from __future__ import annotations

import json
import signal
import threading
from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import text

from app.embedded import sample
from app.queue.steering import cancel_job
from tests.support.llm_server import LLMServer, answer
from tests.support.llm_server import wait_for as answer_after
from tests.support.processes import Workers, wait_for, wait_status
from tests.support.servers import Database

SHORT_LEASE = {"QUEUE_STALLED_TIMEOUT": "2000", "QUEUE_SWEEP_INTERVAL": "300"}


@pytest.fixture
def user(database: Database) -> UUID:
    """The sample user, who wants emails."""
    user_id = sample.ensure(database.engine)
    with database.engine.begin() as conn:
        conn.execute(text("update user_brief_preferences set email_enabled = true"))
    return user_id


def add_brief(database: Database, user: UUID, **metadata: object) -> UUID:
    """Add a brief job as a SQL client does."""
    given = json.dumps({"briefDate": date.today().isoformat(), **metadata})
    with database.engine.begin() as conn:
        values = {"user": user, "metadata": given}
        return conn.execute(
            text("select add_queue_job(:user, 'generate_daily_brief', cast(:metadata as jsonb))"), values
        ).scalar_one()


def rows(database: Database, query: str) -> list:
    with database.engine.connect() as conn:
        return conn.execute(text(query)).all()


def with_model(server: LLMServer) -> dict[str, str]:
    return {"PRIVATE_OPENROUTER_API_KEY": "sk-test", "OPENROUTER_BASE_URL": server.base_url}


def test_a_job_added_by_sql_becomes_a_brief(database: Database, workers: Workers, user: UUID) -> None:
    with LLMServer(default=answer("Begin with the quote.")) as server:
        workers.start(**with_model(server))
        done = wait_status(database, add_brief(database, user))
    assert (done.status, done.error_message) == ("completed", None)
    assert done.metadata["generation_progress"]["progress"] == 100
    [brief] = rows(database, "select * from daily_briefs")
    assert done.result == {
        "briefId": str(brief.id),
        "briefDate": date.today().isoformat(),
        "projectBriefsGenerated": 3,
        "emailSent": True,
    }
    assert (brief.llm_analysis, brief.llm_model) == ("Begin with the quote.", "deepseek/deepseek-chat")
    assert "### Website launch" in brief.summary_content


def test_kill_9_while_the_model_thinks_and_the_brief_is_made_elsewhere_once(
    database: Database, workers: Workers, user: UUID
) -> None:
    never = threading.Event()
    with LLMServer(default=answer_after(never, "From the dead.")) as thinking, LLMServer() as quick:
        first = workers.start("-c", "1", **SHORT_LEASE, **with_model(thinking))
        job_id = add_brief(database, user)
        wait_for(lambda: thinking.requests, "the model is asked")
        [brief] = rows(database, "select * from daily_briefs")
        assert brief.generation_status == "processing"
        first.signal_all(signal.SIGKILL)
        workers.start("-c", "1", **SHORT_LEASE, **with_model(quick))
        done = wait_status(database, job_id)
        never.set()
    assert (done.status, done.attempts) == ("completed", 1)
    [brief] = rows(database, "select * from daily_briefs")
    assert (brief.generation_status, brief.llm_analysis) == ("completed", "Begin with the invoice.")
    assert rows(database, "select event from row_events where event like 'brief_completed%'") == [("brief_completed",)]
    assert len(rows(database, "select from emails")) == 1


def test_cancelling_while_the_model_thinks(database: Database, workers: Workers, user: UUID) -> None:
    never = threading.Event()
    with LLMServer(default=answer_after(never, "Too late.")) as thinking:
        workers.start("-P", "threads", "-c", "1", **with_model(thinking))
        job_id = add_brief(database, user)
        wait_for(lambda: thinking.requests, "the model is asked")
        with database.engine.begin() as conn:
            assert cancel_job(conn, job_id)
        wait_for(
            lambda: rows(database, "select from daily_briefs where generation_error = 'cancelled'"), "the run stops"
        )
        never.set()
    assert rows(database, "select from row_events where event is not null") == []


def test_a_brief_that_cannot_be_made_is_told_once(database: Database, workers: Workers, user: UUID) -> None:
    with database.engine.begin() as conn:
        conn.execute(text("update users set timezone = 'Mars/Olympus'"))
    workers.start()
    failed = wait_status(database, add_brief(database, user))
    assert (failed.status, failed.attempts) == ("failed", 1)
    assert failed.error_message == "users.timezone: 'Mars/Olympus' is not an IANA timezone"
    [brief] = rows(database, "select * from daily_briefs")
    assert (brief.generation_status, brief.generation_error) == ("failed", failed.error_message)
    [(event, payload)] = rows(database, "select event, payload from row_events where event is not null")
    assert (event, payload["error"]) == ("brief_failed", failed.error_message)
