"""One system, watched from outside: its traces, its log lines, its reports of errors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import requests
from sqlalchemy import text

from tests.support import servers
from tests.support.api import Api, running_api
from tests.support.collectors import Otlp, Sentry
from tests.support.llm_server import LLMServer, status
from tests.support.people import add_user
from tests.support.processes import Process, add, job, wait_for, wait_status, workers_on
from tests.support.servers import Database

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRETS = ("ada@example.com", "+15551234567", "hunter2")
TOLD = "no answer for ada@example.com, +15551234567, password=hunter2"
SERVER, PRODUCER, CONSUMER, CLIENT = 2, 4, 5, 3


@dataclass
class System:
    """What runs, and what hears of it."""

    database: Database
    api: Api
    worker: Process
    otlp: Otlp
    sentry: Sentry
    user: UUID

    def lines(self, process: Process | Api) -> list[dict[str, Any]]:
        """The log of a process, which is JSON in every line."""
        return [json.loads(line) for line in process.log.read_text().splitlines()]

    def report_of(self, tag: str, value: str) -> dict[str, Any]:
        """The first report with this tag; waits for it."""
        found = lambda: [event for event in list(self.sentry.events) if event["tags"].get(tag) == value]
        wait_for(found, f"a report with {tag} {value}")
        return found()[0]


@pytest.fixture(scope="module")
def system(postgres_server, template_database, redis_server, tmp_path_factory) -> Iterator[System]:
    """An API and a worker with one child, with traces, reports and JSON logs."""
    folder = tmp_path_factory.mktemp("watched")
    redis, numbers = redis_server
    with servers.new_database(postgres_server, template_database) as database, Otlp() as otlp, Sentry() as sentry, LLMServer() as llm:
        llm.behave("deepseek/deepseek-chat", status(429))
        env = {
            **os.environ, "DATABASE_URL": database.url, "REDIS_URL": redis.url_of(next(numbers)), "PYTHONPATH": str(servers.ROOT),
            "LOG_FORMAT": "json", "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, "OTEL_BSP_SCHEDULE_DELAY": "50", "SENTRY_DSN": sentry.dsn,
            "PRIVATE_OPENROUTER_API_KEY": "sk-of-the-model", "OPENROUTER_BASE_URL": llm.base_url, "RETRY_BACKOFF_BASE": "0.05",
        }  # fmt: skip
        with workers_on(database, env, folder) as workers, running_api(env, folder) as api:
            worker = workers.start("-c", "1", "-l", "WARNING")
            yield System(database, api, worker, otlp, sentry, add_user(database.engine))


@pytest.fixture(scope="module")
def brief(system: System) -> UUID:
    """A brief that a traced caller asked for, done."""
    asked = requests.post(
        f"{system.api.url}/queue/brief",
        json={"userId": str(system.user), "briefDate": "2026-12-24"},
        headers={"traceparent": f"00-{TRACE}-{CALLER}-01"},
        timeout=20,
    ).json()
    with system.database.engine.connect() as conn:
        job_id = conn.execute(text("select id from queue_jobs where queue_job_id = :id"), {"id": asked["jobId"]}).scalar_one()
    wait_status(system.database, job_id, "completed")
    return job_id


def test_one_trace_leads_from_the_request_to_the_call_outside(system: System, brief: UUID) -> None:
    names = ("POST /queue/brief", "dispatch generate_daily_brief", "run generate_daily_brief", "llm complete")
    wait_for(lambda: set(names) <= set(system.otlp.of(TRACE)), "the whole trace")
    request, dispatch, run, call = (system.otlp.of(TRACE)[name] for name in names)
    assert [span.parent for span in (request, dispatch, run, call)] == [CALLER, request.id, dispatch.id, run.id]
    assert [span.kind for span in (request, dispatch, run, call)] == [SERVER, PRODUCER, CONSUMER, CLIENT]
    assert [span.service for span in (request, dispatch, run, call)] == ["buildos-api", *["buildos-worker"] * 3]
    assert request.attributes["http.response.status_code"] == 200 and request.failed is None
    assert run.attributes == {"job.id": str(brief), "job.type": "generate_daily_brief", "job.attempt": 1}


def test_every_line_says_which_job_user_and_request_it_is_about(system: System, brief: UUID) -> None:
    (asked,) = [line for line in system.lines(system.api) if line["event"] == "POST /queue/brief"]
    assert (asked["correlation_id"], asked["user"], asked["job"][:6], asked["status"]) == (TRACE, str(system.user), "brief-", 200)
    (failed,) = [line for line in system.lines(system.worker) if line["event"].startswith("llm.model_failed")]
    assert failed["level"] == "warning" and failed["logger"] == "app.adapters.llm_openai" and failed["timestamp"].endswith("Z")
    about = {"job": str(brief), "job_type": "generate_daily_brief", "attempt": 1, "user": str(system.user), "correlation_id": TRACE}
    assert about.items() <= failed.items()


def test_an_error_nobody_foresaw_is_reported_with_its_job(system: System) -> None:
    (failing,) = add(system.database, fail=TOLD)
    told = system.report_of("job", str(failing))
    assert (told["tags"]["job_type"], told["tags"]["role"]) == ("other", "worker")
    (exception,) = told["exception"]["values"]
    assert exception["type"] == "RuntimeError" and exception["value"] == "no answer for <email>, <phone>, password=<secret>"
    assert exception["stacktrace"]["frames"][-1]["function"] == "other"
    wait_status(system.database, failing, "failed")
    assert job(system.database, failing).error_message == f"RuntimeError: {TOLD}"  # its owner may read what was said


def test_an_error_in_the_api_is_reported(system: System) -> None:
    with system.database.engine.begin() as conn:
        conn.execute(
            text("create or replace function get_queue_stats() returns table (job_type text, status text, count bigint) "
                 f"language plpgsql as $$ begin raise exception '{TOLD}'; end $$")
        )  # fmt: skip
    answer = requests.get(f"{system.api.url}/queue/stats", timeout=20)
    assert answer.status_code == 500 and TOLD not in answer.text
    told = system.report_of("role", "api")
    (line,) = [line for line in system.lines(system.api) if line["event"] == "GET /queue/stats"]
    assert told["tags"]["correlation_id"] == line["correlation_id"] and "<phone>" in told["exception"]["values"][0]["value"]
    assert not {"request", "user", "extra", "breadcrumbs"} & set(told)


def test_nothing_that_left_or_was_written_names_anybody(system: System, brief: UUID) -> None:
    add(system.database, fail=TOLD)
    wait_for(lambda: len(system.sentry.events) >= 1, "a report")
    written = [*system.sentry.raw, system.api.log.read_text(), system.worker.log.read_text(), repr(system.otlp.spans)]
    assert [secret for secret in (*SECRETS, "sk-of-the-model") for page in written if secret in page] == []
    assert not any(str(system.user) in page for page in system.sentry.raw)
