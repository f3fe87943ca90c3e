"""Brain dumps over HTTP: the stream, the yes, whose they are, what is refused."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.features.braindump.service import BrainDumpService
from app.formats import sse
from app.web.app import create_app
from tests.integration.web.conftest import Parts
from tests.integration.web.test_auth import KEY, SECRET, token
from tests.support.models import Sorter
from tests.support.people import add_user

STREAM = "/api/braindumps/stream"
TASKS = {"operations": [{"op": "create_task", "title": "Call <b>Anna</b>"}]}


@pytest.fixture
def parts(parts: Parts) -> Parts:
    parts.brain_dumps = BrainDumpService(parts.engine, parts.clock, Sorter({"tasks": TASKS}), beat=0.01)
    return parts


def streamed(answer) -> list[tuple[str, dict]]:
    assert answer.status_code == 200, answer.text
    return [(name, json.loads(data)) for name, data in sse.events(answer.text.split("\n"))]


def propose(http, user, **more) -> str:
    events = streamed(http.post(STREAM, json={"userId": str(user), "text": "Call Anna", **more}))
    assert events[-1][0] == "complete"
    return events[-1][1]["brainDumpId"]


def count(database, table="tasks") -> int:
    with database.engine.connect() as conn:
        return conn.execute(text(f"select count(*) from {table}")).scalar_one()


def test_a_stream_of_events(http, user):
    answer = http.post(STREAM, json={"userId": str(user), "text": "Call Anna"})
    assert answer.mimetype == "text/event-stream" and answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Cache-Control"] == "no-store, no-transform"
    names = [name for name, _ in streamed(answer)]
    assert names[0] == "start" and names[-2:] == ["operations", "complete"] and "token" in names


def test_propose_look_confirm(http, user, database):
    dump = propose(http, user)
    shown = http.get(f"/api/braindumps/{dump}").json
    assert (shown["status"], shown["text"], shown["result"]) == ("proposed", "Call Anna", None)
    assert shown["operations"][0]["title"] == "Call <b>Anna</b>", "stored to the letter"
    first = http.post(f"/api/braindumps/{dump}/confirm")
    second = http.post(f"/api/braindumps/{dump}/confirm")
    assert first.status_code == second.status_code == 200 and first.json == second.json
    assert (first.json["status"], first.json["brainDumpId"]) == ("applied", dump)
    assert first.json["result"]["counts"] == {"create_task": 1} and count(database) == 1
    assert http.get(f"/api/braindumps/{dump}").json["status"] == "applied"


def test_auto_accept(http, user, database):
    propose(http, user, autoAccept=True)
    assert count(database) == 1


def test_a_proposal_that_no_longer_fits_is_409_and_does_nothing(http, user, database):
    with database.engine.begin() as conn:
        project = conn.execute(
            text("insert into projects (user_id, name) values (:u, 'P') returning id"), {"u": user}
        ).scalar_one()
    dump = propose(http, user, projectId=str(project))
    with database.engine.begin() as conn:
        conn.execute(text("delete from projects"))
    answer = http.post(f"/api/braindumps/{dump}/confirm")
    assert (answer.status_code, answer.json["code"]) == (409, "plan_refused")
    assert answer.json["details"] == [f"operations.0.project: there is no project {project}"]
    assert count(database) == 0 and http.get(f"/api/braindumps/{dump}").json["status"] == "proposed"


def test_nothing_to_confirm_is_409(http, user, database, parts):
    with database.engine.begin() as conn:
        dump = parts.brain_dumps.begin(conn, user, "x", None, False)
    answer = http.post(f"/api/braindumps/{dump.id}/confirm")
    assert (answer.status_code, answer.json["code"]) == (409, "wrong_state")


REFUSED = {
    "no text": ({}, 400, "text"),
    "blank": ({"text": " \n"}, 400, "text"),
    "too long": ({"text": "x" * 50_001}, 400, "text"),
    "nul": ({"text": "a\x00b"}, 400, "text"),
    "a number": ({"text": 7}, 400, "text"),
    "a word for a flag": ({"text": "a", "autoAccept": "yes"}, 400, "autoAccept"),
    "a project nobody has": ({"text": "a", "projectId": "6355a033-7a9d-461c-9d69-58f28e125137"}, 404, "Project not found"),
    "no id at all": ({"text": "a", "projectId": "mine"}, 404, "Project not found"),
}


@pytest.mark.parametrize("path", [STREAM, "/queue/brain-dump"], ids=["stream", "queue"])
@pytest.mark.parametrize(("body", "status", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_leaves_nothing(http, user, database, path, body, status, said):
    answer = http.post(path, json={"userId": str(user), **body})
    assert answer.status_code == status and answer.json["error"].startswith(said)
    assert count(database, "brain_dumps") == count(database, "queue_jobs") == 0


def test_the_longest_text_is_taken(http, user):
    propose(http, user, text="ü" * 50_000)


@pytest.mark.parametrize("path", [STREAM, "/queue/brain-dump"], ids=["stream", "queue"])
def test_whose_it_is_has_to_be_said(http, database, path):
    assert http.post(path, json={"text": "a"}).json["error"].startswith("userId: ")
    assert http.post(path, json={"text": "a", "userId": str(uuid4())}).json["error"] == "User not found"
    assert count(database, "brain_dumps") == 0


def test_queueing(http, user):
    job = http.get(f"/jobs/{http.post('/queue/brain-dump', json={'userId': str(user), 'text': 'a'}).json['jobId']}").json
    assert (job["job_type"], job["priority"]) == ("process_brain_dump", 5)
    assert job["metadata"] == {"text": "a", "autoAccept": False}


def test_another_users_is_404(parts, database, user):
    settings = type(parts.settings).model_validate(
        parts.settings.model_dump() | {"auth_mode": "jwt", "jwt_secret": SECRET, "service_key": KEY}
    )
    closed = Parts(settings, parts.engine, parts.clock)
    closed.brain_dumps = parts.brain_dumps
    http = create_app(closed).test_client()
    bob = add_user(database.engine)

    def call(bearer, method, path, **body):
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return http.open(path, method=method, json=body or None, headers=headers)

    mine = call(token(user), "POST", STREAM, text="Call Anna")  # the token says whose it is
    dump = streamed(mine)[-1][1]["brainDumpId"]
    for method, path in (("GET", f"/api/braindumps/{dump}"), ("POST", f"/api/braindumps/{dump}/confirm")):
        assert call(None, method, path).status_code == 401
        stranger = call(token(bob), method, path)
        assert (stranger.status_code, stranger.json["error"]) == (404, "Brain dump not found")
    assert count(database) == 0
    assert call(token(bob), "POST", STREAM, text="a", userId=str(user)).status_code == 403
    assert call(token(bob), "POST", "/queue/brain-dump", text="a", userId=str(user)).status_code == 403
    assert call(KEY, "POST", STREAM, text="a").status_code == 400
    assert call(KEY, "GET", f"/api/braindumps/{dump}").status_code == 200
    assert call(token(user), "POST", f"/api/braindumps/{dump}/confirm").status_code == 200


@pytest.mark.parametrize("given", ["x", "%00", str(uuid4())], ids=["word", "nul", "unknown"])
def test_no_such_brain_dump(http, given):
    assert http.get(f"/api/braindumps/{given}").status_code == 404
    assert http.post(f"/api/braindumps/{given}/confirm").status_code == 404


def test_a_stream_that_is_never_read_is_closed_and_says_so(http, user, database):
    answer = http.post(STREAM, json={"userId": str(user), "text": "a"}, buffered=False)
    answer.close()
    with database.engine.connect() as conn:
        assert conn.execute(text("select status from brain_dumps")).scalars().all() == ["cancelled"]
