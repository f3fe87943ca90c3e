"""A brain dump through a real server and a real worker, with a language model on this machine."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from sqlalchemy import text

from app.client import Client
from tests.support.api import running_api, wait_until
from tests.support.llm_server import LLMServer, answer, by_question, stream
from tests.support.models import phase_of
from tests.support.people import add_user
from tests.support.processes import Workers, wait_status
from tests.support.servers import Database

TASKS = json.dumps({"operations": [{"op": "create_task", "title": "Call Anna"}]})


def test_over_a_stream_and_as_a_job(database: Database, process_env: dict[str, str], workers: Workers, tmp_path: Path) -> None:
    user = str(add_user(database.engine))
    go_on, never = threading.Event(), threading.Event()
    with LLMServer() as server:

        def sort(request):
            phase = phase_of(request.body["messages"][0]["content"])
            if phase == "analysis":
                return stream('{"summary": ', go_on, '"Calls."}')
            if "for ever" in request.body["messages"][1]["content"]:
                return stream('{"operations', never)
            # Neither answers before the other one was asked.
            both = threading.Event()
            threading.Thread(target=_set_when, args=(both, server), daemon=True).start()
            return stream(both, TASKS) if phase == "tasks" else stream(both, '{"operations": []}')

        server.default = by_question(sort)
        env = {**process_env, "PRIVATE_OPENROUTER_API_KEY": "sk", "OPENROUTER_BASE_URL": server.base_url}
        with running_api(env, tmp_path) as api:
            client = Client(api.url)
            events = client.stream_brain_dump("Call Anna", user_id=user)
            first = next(event for event in events if event.name == "token")
            assert first.data == {"phase": "analysis", "text": '{"summary": '}, "told while the model still speaks"
            go_on.set()
            *_, plan, complete = events
            assert (plan.name, complete.data["status"]) == ("operations", "proposed")
            confirmed = client.confirm_brain_dump(complete.data["brainDumpId"])
            assert confirmed == client.confirm_brain_dump(complete.data["brainDumpId"])
            assert client.brain_dump(confirmed.brainDumpId).status == "applied"

            # Another one does not come to an end: while it waits others are served, and when its client leaves so does the call.
            events = client.stream_brain_dump("for ever", user_id=user)
            waiting = next(event for event in events if event.name == "tasks").data
            wait_until(lambda: len(server.requests) == 6)
            assert waiting["status"] == "started" and client.health().status
            events.close()
            wait_until(lambda: ("cancelled",) in _rows(database, "select status from brain_dumps"))
            never.set()

            server.default = by_question(lambda q: answer(TASKS if phase_of(q.body["messages"][0]["content"]) == "tasks" else '{"operations": []}'))
            workers.start("-c", "1", **env)
            job = client.queue_brain_dump(user, "Call Anna again", auto_accept=True)
            done = wait_status(database, client.job(job).id)
        assert done.status == "completed" and done.result["executed"], done.error_message
    assert _rows(database, "select title from tasks") == [("Call Anna",)] * 2
    assert _rows(database, "select status, plan_source from brain_dumps order by created_at") == [
        ("applied", "model"), ("cancelled", None), ("applied", "model")
    ]  # fmt: skip


def _set_when(event: threading.Event, server: LLMServer) -> None:
    while len(server.requests) < 3 and not server.stopping.wait(0.01):
        pass
    event.set()


def _rows(database: Database, query: str) -> list[tuple]:
    with database.engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(query))]
