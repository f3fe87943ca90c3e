"""Phases over HTTP."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
import pytest
from flask.testing import FlaskClient

from app.ports.llm import LLMUnavailable
from app.queue.steering import cancel_job
from app.web.app import create_app
from app.wiring import build
from tests.support.plan_world import NOW, PlanWorld, plan
from tests.support.servers import plain_settings

SECRET, KEY = "a secret of thirty-two characters!", "the service key"


@pytest.fixture
def http(world: PlanWorld) -> FlaskClient:
    return world.http()


@pytest.fixture
def project(world: PlanWorld) -> UUID:
    return world.project("dig", "plant", needs={"dig": "plant"})


def queue(http: FlaskClient, world: PlanWorld, project: UUID | str, **more):
    return http.post("/queue/phases", json={"userId": str(world.user), "projectId": str(project), **more})


class TestQueueing:
    def test_a_job_at_priority_five(self, world: PlanWorld, http: FlaskClient, project: UUID) -> None:
        options = {
            "regenerate": True,
            "selected_statuses": ["backlog"],
            "scheduling_method": "schedule_in_phases",
            "template": "beds",
        }
        answer = queue(http, world, project, options=options)
        assert (answer.status_code, answer.json["success"]) == (200, True)
        job = http.get(f"/jobs/{answer.json['jobId']}").json
        assert (job["job_type"], job["status"], job["priority"]) == ("generate_phases", "pending", 5)
        assert job["metadata"] == {
            "projectId": str(project),
            "options": options,
            "correlationId": answer.json["correlationId"],
        }

    def test_while_one_is_live_there_is_no_second(self, world: PlanWorld, http: FlaskClient, project: UUID) -> None:
        queue(http, world, project)
        for status in ("pending", "processing", "retrying"):
            world.run_sql(
                "update queue_jobs set status = cast(:s as queue_status) where status <> cast(:s as queue_status)",
                s=status,
            )
            answer = queue(http, world, project)
            assert (answer.status_code, answer.json["error"]) == (409, "Already generating phases")
        assert (
            http.post(f"/api/projects/{project}/phases/generate", json={"userId": str(world.user)}).status_code == 409
        )
        assert (
            queue(http, world, world.project("cook", name="Kitchen")).status_code == 200
        )  # another project does not wait

    def test_after_it_ended_there_is(self, world: PlanWorld, http: FlaskClient, project: UUID) -> None:
        for ended in ("completed", "failed"):
            assert queue(http, world, project).status_code == 200
            world.run_sql("update queue_jobs set status = 'processing' where status = 'pending'")
            world.run_sql(
                "update queue_jobs set status = cast(:s as queue_status) where status = 'processing'", s=ended
            )
        assert queue(http, world, project).status_code == 200

    def test_many_at_once_give_one_job(self, world: PlanWorld, http: FlaskClient, project: UUID) -> None:
        app = http.application
        with ThreadPoolExecutor(6) as pool:
            answers = [
                each.status_code for each in pool.map(lambda _: queue(app.test_client(), world, project), range(6))
            ]
        assert sorted(answers) == [200] + [409] * 5
        assert world.statuses("generate_phases") == ["pending"]

    def test_what_is_refused(self, world: PlanWorld, http: FlaskClient, project: UUID) -> None:
        bob = world.add("users", email="bob@example.com")
        theirs = world.add("projects", user_id=bob, name="Theirs")
        for unknown in (uuid4(), theirs, "nothing", "", "\x00"):
            answer = queue(http, world, unknown)
            assert (answer.status_code, answer.json["error"]) == (404, "Project not found")
        assert queue(http, world, project, userId="nobody").json["error"] == "User not found"
        assert http.post("/queue/phases", json={"projectId": str(project)}).json["error"] == "userId: is required"
        assert queue(http, world, project, projectId=7).status_code == 400
        for options in (
            {"scheduling_method": "magic"},
            {"selected_statuses": ["late"]},
            {"regenerate": "yes"},
            [],
            {"template": 1},
        ):
            answer = queue(http, world, project, options=options)
            assert answer.status_code == 400 and answer.json["error"].startswith("options"), options
        empty = queue(http, world, world.add("projects", name="Empty"))
        assert (empty.status_code, empty.json["code"]) == (400, "no_tasks")
        assert queue(http, world, project, options={"selected_statuses": ["done"]}).status_code == 400
        assert world.statuses("generate_phases") == []

    def test_the_alias_of_the_web_app(self, world: PlanWorld, http: FlaskClient, project: UUID) -> None:
        body = {"projectId": str(project), "options": None}
        assert http.post("/api/phases-jobs", json=body).json["error"] == "userId: is required"
        assert http.post("/api/phases-jobs", json={**body, "userId": str(world.user)}).json["success"] is True
        assert http.post("/api/phases-jobs", json={**body, "userId": str(world.user)}).status_code == 409


class TestAtOnce:
    def test_answers_with_the_phases(self, world: PlanWorld, http: FlaskClient, project: UUID) -> None:
        world.add("tasks", title="rest", project_id=project, created_at=NOW.replace(minute=5))
        world.model.answers = [plan(["T1"], ["T2"])]
        body = {"userId": str(world.user), "scheduling_method": "schedule_in_phases", "selected_statuses": ["backlog"]}
        answer = http.post(f"/api/projects/{project}/phases/generate", json=body)
        assert (answer.status_code, answer.json["success"]) == (200, True)
        data = answer.json["data"]
        assert [[task["title"] for task in phase["tasks"]] for phase in data["phases"]] == [["plant", "dig"]]
        assert data["phases"][0]["start_date"] == "2026-11-23"
        assert data["phases"][0]["tasks"][0]["suggested_start_date"] == "2026-11-23T08:00:00Z"
        assert [task["title"] for task in data["backlogTasks"]] == ["rest"]
        assert data["generation"]["planned_by"] == "model"
        job = http.get(f"/jobs/{answer.json['jobId']}").json
        assert (job["status"], job["result"]["phaseCount"]) == ("completed", 1)
        events = http.get(f"/jobs/{answer.json['jobId']}/events").json["events"]
        assert [event["to"] for event in events] == ["pending", "processing", "completed"]
        assert http.get(f"/projects/{project}/phases").json == data

    def test_without_a_model_and_with_one_that_is_down(
        self, world: PlanWorld, http: FlaskClient, project: UUID
    ) -> None:
        for _ in range(2):
            body = {"userId": str(world.user), "options": {"scheduling_method": "calendar_optimized"}}
            answer = http.post(f"/api/projects/{project}/phases/generate", json=body)
            generation = answer.json["data"]["generation"]
            assert (generation["planned_by"], generation["scheduling_method"]) == ("dependencies", "calendar_optimized")
            world.model.answers = [LLMUnavailable("all are down")]

    def test_a_useless_answer_is_an_error_and_the_job_has_failed(
        self, world: PlanWorld, http: FlaskClient, project: UUID
    ) -> None:
        world.model.answers = ["no"]
        answer = http.post(f"/api/projects/{project}/phases/generate", json={"userId": str(world.user)})
        assert (answer.status_code, answer.json["code"]) == (503, "llm_unavailable")
        assert world.statuses("generate_phases") == ["failed"] and world.phases(project) == []

    def test_cancelled_and_paused(self, world: PlanWorld, http: FlaskClient, project: UUID) -> None:
        def cancel() -> str:
            with world.engine.begin() as conn:
                cancel_job(conn, world.rows("select id from queue_jobs")[0]["id"])
            return plan(["T1"])

        world.model.answers = [cancel]
        path, body = f"/api/projects/{project}/phases/generate", {"userId": str(world.user)}
        assert http.post(path, json=body).json == {"error": "The job was cancelled", "code": "cancelled"}
        assert world.statuses("generate_phases") == ["cancelled"] and world.phases(project) == []
        world.run_sql("insert into queue_settings (key, value) values ('paused.generate_phases', 'true')")
        assert http.post(path, json=body).json["code"] == "paused"
        assert world.statuses("generate_phases") == ["cancelled"]

    def test_a_project_that_goes_meanwhile(self, world: PlanWorld, http: FlaskClient, project: UUID) -> None:
        def answer() -> str:
            world.run_sql("delete from projects where id = :p", p=project)
            return plan(["T1"])

        world.model.answers = [answer]
        answered = http.post(f"/api/projects/{project}/phases/generate", json={"userId": str(world.user)})
        assert (answered.status_code, answered.json["error"]) == (404, "Project not found")


class TestLooking:
    def test_before_the_first_plan(self, world: PlanWorld, http: FlaskClient, project: UUID) -> None:
        data = http.get(f"/projects/{project}/phases").json
        assert (data["projectId"], data["phases"], data["generation"]) == (str(project), [], None)
        assert [task["title"] for task in data["backlogTasks"]] == ["dig", "plant"]

    def test_a_project_that_is_not_there(self, http: FlaskClient) -> None:
        for unknown in (str(UUID(int=5)), "x", "%00", "..%2F.."):
            assert http.get(f"/projects/{unknown}/phases").status_code == 404


def test_a_users_token_reaches_that_users_projects_alone(world: PlanWorld, project: UUID) -> None:
    settings = plain_settings(
        database_url=world.services.settings.database_url, redis_url=world.services.settings.redis_url,
        auth_mode="jwt", jwt_secret=SECRET, service_key=KEY,
    )  # fmt: skip
    client = create_app(build(settings, engine=world.engine, clock=world.clock, llm=world.model)).test_client()
    bob = world.add("users", email="bob@example.com")

    def call(user: UUID | None, method: str, path: str, **body):
        claims = {"sub": str(user), "aud": "authenticated", "exp": datetime.now(UTC) + timedelta(hours=1)}
        bearer = jwt.encode(claims, SECRET, algorithm="HS256") if user else KEY
        return client.open(path, method=method, json=body or None, headers={"Authorization": f"Bearer {bearer}"})

    generate = f"/api/projects/{project}/phases/generate"
    assert call(bob, "GET", f"/projects/{project}/phases").status_code == 404
    assert call(bob, "POST", "/api/phases-jobs", projectId=str(project)).status_code == 404
    assert call(bob, "POST", "/queue/phases", userId=str(world.user), projectId=str(project)).status_code == 403
    assert call(bob, "POST", generate, userId=str(world.user)).status_code == 403
    assert call(bob, "POST", generate, template="x").status_code == 404
    assert call(None, "POST", generate, template="x").json["error"] == "userId: is required"
    assert call(world.user, "POST", generate, template="x").status_code == 200  # no userId: the token says who
    assert call(world.user, "GET", f"/projects/{project}/phases").json["phases"]
    assert call(None, "GET", f"/projects/{project}/phases").status_code == 200
    assert client.get(f"/projects/{project}/phases").status_code == 401


def test_no_value_is_a_500(world: PlanWorld, http: FlaskClient, project: UUID) -> None:
    known = {"userId": str(world.user), "projectId": str(project)}
    values = (None, 1e308, "\ud800", "\x00", [], {"a": {}}, True, 10**30, "9" * 500)
    bodies = [{**known, name: value} for value in values for name in ("userId", "projectId", "options")]
    names = ("template", "selected_statuses", "regenerate")
    bodies += [{**known, "options": {name: value}} for value in values for name in names]
    for body in bodies:
        answer = http.post("/queue/phases", data=json.dumps(body), content_type="application/json")
        assert answer.status_code in (200, 400, 404, 409), answer.text
