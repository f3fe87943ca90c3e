"""A brain dump while one watches: what is told, what is stored, what happens when somebody goes away."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from app.adapters.llm_openai import ChainLLM
from app.ports.llm import LLMUnavailable
from tests.integration.braindump.conftest import NOW, World
from tests.support.llm_server import LLMServer, answer, by_question, stream
from tests.support.models import phase_of
from tests.support.servers import plain_settings

TEXT = "Anna wants blue.\n\tCall her <script>&"
ANALYSIS = {"summary": "About the website.", "project": {"kind": "new", "name": "Relaunch"}}
CONTEXT = {"operations": [{"op": "create_note", "content": "Anna wants blue <b>"}]}
TASKS = {"operations": [{"op": "create_task", "title": "Call Anna", "due_date": "2026-11-23"}]}


@pytest.fixture
def told(world: World) -> World:
    """A world whose model understands."""
    world.model.says = {"analysis": ANALYSIS, "context": CONTEXT, "tasks": TASKS}
    return world


def names(events) -> list[str]:
    """The names without tokens and what is said twice in a row."""
    found = [event.name for event in events if event.name != "token"]
    return [name for number, name in enumerate(found) if number == 0 or found[number - 1] != name]


def test_every_step_is_told_and_the_proposal_waits(told: World) -> None:
    events = told.stream(TEXT)
    dump = told.dump()
    assert names(events)[:2] == ["start", "analysis"] and names(events)[-3:] == ["merge", "operations", "complete"]
    assert {"context", "tasks"} <= set(names(events))
    assert events[0].data == {"brainDumpId": str(dump.id), "projectId": None, "autoAccept": False}
    statuses = [(event.name, event.data["status"]) for event in events if "status" in event.data]
    assert statuses[:4] == [("analysis", "started"), ("analysis", "completed"), ("context", "started"), ("tasks", "started")]
    assert set(statuses[4:-1]) == {("context", "completed"), ("tasks", "completed")}
    tokens = [event.data["text"] for event in events if event.name == "token" and event.data["phase"] == "analysis"]
    assert len(tokens) > 1 and '"Relaunch"' in "".join(tokens)
    assert events[-1].data == {"brainDumpId": str(dump.id), "status": "proposed", "executed": False, "result": None}
    assert (dump.status, dump.text, dump.plan_source, dump.llm_model) == ("proposed", TEXT, "model", "test/model")
    assert (dump.proposed_at, dump.applied_at, dump.summary) == (NOW, None, "About the website.")
    assert [operation["op"] for operation in dump.operations] == ["create_project", "create_note", "create_task"]
    assert events[-2].data["operations"] == dump.operations
    assert told.rows("select count(*) from tasks") == [(1,)], "nothing is done before the yes"


def test_auto_accept_does_it_at_once(told: World) -> None:
    complete = told.stream(TEXT, auto_accept=True)[-1].data
    assert (complete["status"], complete["executed"]) == ("applied", True)
    assert complete["result"] == told.dump().result
    assert told.rows("select t.title, p.name from tasks t join projects p on p.id = t.project_id order by 1") == [
        ("Call Anna", "Relaunch"),
        ("Publish the page", "Website"),
    ]
    assert told.rows("select content from notes order by 1") == [("Anna wants blue <b>",), ("blue",)]


def test_the_named_project_is_the_one(told: World) -> None:
    told.stream(TEXT, project=told.project, auto_accept=True)
    assert told.rows("select p.name from tasks t join projects p on p.id = t.project_id where title = 'Call Anna'") == [
        ("Website",)
    ]
    assert told.rows("select count(*) from projects") == [(1,)]


def test_no_connection_is_held_while_the_model_thinks(told: World) -> None:
    held = []
    told.model.watch = lambda: held.append(told.engine.pool.checkedout())
    told.stream(TEXT)
    assert held == [0, 0, 0]


def test_the_model_knows_the_users_own_work_and_no_others(told: World) -> None:
    told.add("projects", name="Secret of Bob", user_id=told.stranger)
    told.add("tasks", title="Task of Bob", user_id=told.stranger)
    told.stream(TEXT)
    asked = told.model.read["tasks"]
    assert f"{told.project}: Website" in asked and f"{told.task}: Publish the page" in asked and f"{told.note}" in asked
    assert "Today is Sunday, 2026-11-22." in asked and "Bob" not in asked


class TestTheModelIsWrong:
    def test_it_is_asked_once_more_with_what_was_wrong(self, told: World) -> None:
        foreign = {"operations": [{"op": "update_task", "task": str(told.user), "title": "x"}]}
        told.model.says["tasks"] = [foreign, TASKS]
        events = told.stream(TEXT)
        assert events[-1].name == "complete" and told.model.asked.count("tasks") == 2
        assert f"there is no task {told.user}" in told.model.read["tasks"]
        (restart,) = [event.data for event in events if event.name == "restart"]
        assert (restart["phase"], restart["model"]) == ("tasks", "test/model")

    WRONG = ("no JSON", '{"operations": [{"op": "drop"}]}', '{"operations": [{"op": "create_task", "title": "a\\ud800"}]}')

    @pytest.mark.parametrize("said", WRONG, ids=["prose", "unknown operation", "half a letter"])
    def test_wrong_twice_is_an_error_and_the_row_says_so(self, told: World, said: str) -> None:
        told.model.says["tasks"] = [said, said]
        events = told.stream(TEXT, auto_accept=True)
        assert (events[-1].name, events[-1].data["code"]) == ("error", "model_unreadable")
        assert (told.dump().status, told.dump().error) == ("failed", events[-1].data["error"])
        assert told.rows("select count(*) from tasks") == [(1,)]
        assert all(stop.is_set for stop in told.model.stops), "the other call is ended"

    def test_an_analysis_that_cannot_be_read_costs_only_its_hints(self, told: World) -> None:
        told.model.says["analysis"] = ["?", "?"]
        assert told.stream(TEXT)[-1].data["status"] == "proposed"

    def test_what_needs_no_call_gets_none(self, told: World) -> None:
        told.model.says["analysis"] = {"summary": "", "has_context": False}
        events = told.stream(TEXT)
        assert sorted(told.model.asked) == ["analysis", "tasks"]
        assert [e.data["status"] for e in events if e.name == "context"] == ["skipped"]


@pytest.mark.parametrize("phase", ["analysis", "tasks"])
def test_without_a_provider_rules_do_it_and_it_says_so(told: World, phase: str) -> None:
    told.model.says[phase] = LLMUnavailable("no language model is configured")
    events = told.stream("- buy milk\n- call Anna\nA thought.")
    plan = events[-2].data
    assert plan["source"] == told.dump().plan_source == "rules"
    assert plan["reason"] == told.dump().plan_reason
    assert plan["reason"] == "sorted by simple rules, without a language model: no language model is configured"
    assert [op["op"] for op in plan["operations"]] == ["create_note", "create_task", "create_task"]


def test_a_model_that_never_ends_is_left(told: World) -> None:
    told.model.says["tasks"] = lambda stop: _until_stopped(stop)
    events = told.stream(TEXT, service=told.service(beat=0.01, longest=0.05))
    assert events[-1].data["code"] == "timeout" and told.dump().status == "failed"
    assert told.model.stops[-1].is_set


def _until_stopped(stop) -> str:
    done = threading.Event()
    with stop.ending(done.set):
        done.wait(20)
    return "too late"


class TestSomebodyGoesAway:
    def test_a_client_that_leaves_ends_the_call_and_the_row_says_so(self, told: World) -> None:
        told.model.says["tasks"] = _until_stopped
        service = told.service(beat=0.01)
        events = service.stream(told.begin(TEXT))
        for event in events:
            if not event.name and "tasks" in told.model.asked:  # it waits for the model
                break
        events.close()
        assert all(stop.is_set for stop in told.model.stops)
        assert told.dump().status == "cancelled" and "went away" in told.dump().error

    def test_a_plan_that_is_there_stays(self, told: World) -> None:
        events = told.service().stream(told.begin(TEXT))
        assert next(event for event in events if event.name == "operations")
        events.close()
        assert (told.dump().status, told.dump().error) == ("proposed", None)

    def test_a_row_of_a_dead_server_is_said_to_have_failed(self, told: World) -> None:
        dump = told.begin(TEXT)
        told.clock.time = NOW + timedelta(minutes=14)
        with told.engine.begin() as conn:
            assert told.service().find(conn, dump.id).status == "processing"
        told.clock.time = NOW + timedelta(minutes=16)
        with told.engine.begin() as conn:
            row = told.service().find(conn, dump.id)
        assert (row.status, row.error) == ("failed", "interrupted: the server went away")


def test_a_model_that_breaks_off_is_followed_by_the_next(world: World) -> None:
    """Through the real client: what was shown of the first one is void."""
    said = {"analysis": '{"summary": "s"}', "context": '{"operations": []}', "tasks": '{"operations": []}'}
    with LLMServer() as server:
        server.behave("one/first", stream('{"summ', ends=False))
        server.behave("two/second", by_question(lambda q: answer(said[phase_of(q.body["messages"][0]["content"])])))
        settings = plain_settings(
            private_openrouter_api_key="sk", openrouter_base_url=server.base_url, llm_models="one/first,two/second"
        )
        events = world.stream(TEXT, service=world.service(llm=ChainLLM(settings)))
    assert events[-1].name == "complete"
    restarts = [event.data for event in events if event.name == "restart"]
    assert {(each["phase"], each["model"]) for each in restarts} <= {
        ("analysis", "two/second"), ("context", "two/second"), ("tasks", "two/second")
    }  # fmt: skip
    assert world.dump().llm_model == "two/second"
