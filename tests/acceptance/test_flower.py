"""Flower as it is: it sees the worker and the tasks by their names, from the moment they are sent, and nobody's data; and it goes when told to."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from typing import Any
from uuid import UUID

from app.embedded.processes import free_port
from tests.support.processes import Workers, add, job, wait_for, wait_status
from tests.support.servers import Database


def test_flower_shows_workers_and_tasks_and_stops(database: Database, workers: Workers) -> None:
    workers.start("-c", "1", QUEUE_SENT_EVENTS="true")
    port = free_port(None)
    flower = workers.run("-m", "celery", "-A", "tasks", "flower", f"--port={port}", FLOWER_UNAUTHENTICATED_API="1")

    def ask(path: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/{path}", timeout=20) as answer:
                return json.load(answer)
        except OSError:
            return {}

    wait_for(lambda: "generate_daily_brief" in ask("workers?refresh=1").get("w0@test", {}).get("registered", ()), "a worker")

    def seen() -> bool:
        # The worker reports its tasks only once Flower has asked for it.
        wait_status(database, add(database, result={"n": 1}, text="ada@example.com")[0], "completed")
        return any(
            (task["name"], task["state"]) == ("other", "SUCCESS") and task["sent"] and task["received"] for task in ask("tasks").values()
        )

    wait_for(seen, "a task by its name, from its sending to its end")
    tasks = ask("tasks").values()
    for task in tasks:
        job_id = re.fullmatch(r"\{'job_id': '([0-9a-f-]{36})'\}", task["kwargs"])  # a job's id, and nothing of what it is about
        assert task["name"] == "other" and task["args"] == "()" and job_id and job(database, UUID(job_id[1])), task
    assert "ada@example.com" not in repr(tasks)
    flower.signal(signal.SIGTERM)
    flower.wait()
