"""What a new user tells, over HTTP, through the job, and back."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from app.ports.llm import LLMUnavailable
from app.queue.errors import TransientError
from app.queue.models import OnboardingResult
from tests.support.plan_world import NOW, PlanWorld
from tests.unit.onboarding.test_onboarding import GOOD

CONTEXT: dict[str, Any] = {
    "name": "Ada",
    "description": "Founder",
    "goals": ["Build a product"],
    "challenges": ["Time management"],
}


def analyse(world: PlanWorld) -> OnboardingResult:
    """Add, claim and run a job."""
    job = world.job("onboarding_analysis", {"userContext": CONTEXT, "correlationId": "corr-2"})
    return world.services.onboarding.analyse(world.claimed(job))


class TestAnalysing:
    def test_is_stored_told_and_marked(self, world: PlanWorld) -> None:
        world.model.answers = [GOOD]
        result = analyse(world)
        (stored,) = world.rows("select * from onboarding_analysis")
        assert result == OnboardingResult(analysisId=str(stored["id"]), questionsGenerated=2, analyzedBy="model")
        assert (stored["analyzed_by"], stored["llm_model"], stored["summary"]) == (
            "model",
            "test/model",
            "You build a lot.",
        )
        assert stored["questions"] == [{"question": "When?", "purpose": "p"}, {"question": "Where?", "purpose": ""}]
        assert stored["user_context"] == CONTEXT and stored["completed_at"] == NOW
        assert world.rows("select onboarding_analyzed_at as at from users") == [{"at": NOW}]
        assert world.events() == [("onboarding_completed", {"questionsGenerated": 2})]
        (told,) = world.notifications()
        assert (told["eventType"], told["channel"], told["correlationId"]) == (
            "onboarding.completed",
            "in-app",
            "corr-2",
        )
        assert told["payload"] == {"analysisId": str(stored["id"]), "questionsGenerated": 2}
        assert world.services.onboarding.analyse(world.again()) == result  # a job that runs again finds its work
        assert len(world.model.asked) == len(world.notifications()) == 1

    def test_one_repair_then_an_error_that_is_retried(self, world: PlanWorld) -> None:
        world.model.answers = ["hm", {**GOOD, "questions": []}]
        with pytest.raises(TransientError, match="questions"):
            analyse(world)
        assert world.rows("select 1 from onboarding_analysis") == [] and world.events() == []
        world.model.answers, world.model.asked = ["hm", GOOD], []
        analyse(world)
        assert world.rows("select notes -> 'repaired' as r from onboarding_analysis") == [{"r": True}]

    def test_without_a_model_rules_answer_and_say_so(self, world: PlanWorld) -> None:
        result = analyse(world)
        assert result.analyzedBy == "rules" and result.questionsGenerated >= 3
        (stored,) = world.rows("select * from onboarding_analysis")
        assert stored["summary"] == "Made by rules alone: no language model is configured"

    def test_models_that_are_down_are_asked_again_until_the_last_attempt(self, world: PlanWorld) -> None:
        world.model.answers = [LLMUnavailable("all are down")]
        with pytest.raises(TransientError, match="all are down"):
            analyse(world)
        world.run_sql("update queue_jobs set attempts = 2")
        assert world.services.onboarding.analyse(world.again()).analyzedBy == "rules"


class TestOverHttp:
    @pytest.fixture
    def http(self, world: PlanWorld) -> FlaskClient:
        return world.http()

    def queue(self, http: FlaskClient, world: PlanWorld, **more: Any):
        return http.post("/queue/onboarding", json={"userId": str(world.user), "userContext": CONTEXT, **more})

    def test_a_job_at_priority_one_and_no_second_beside_it(self, world: PlanWorld, http: FlaskClient) -> None:
        answer = self.queue(http, world)
        assert (answer.status_code, answer.json["success"]) == (200, True)
        job = http.get(f"/jobs/{answer.json['jobId']}").json
        assert (job["job_type"], job["priority"], job["metadata"]["userContext"]) == ("onboarding_analysis", 1, CONTEXT)
        assert self.queue(http, world).status_code == 409
        assert self.queue(http, world, options={"forceRegenerate": False}).status_code == 409

    def test_forced_the_live_one_is_cancelled(self, world: PlanWorld, http: FlaskClient) -> None:
        self.queue(http, world)
        world.run_sql("update queue_jobs set status = 'processing'")
        assert self.queue(http, world, options={"forceRegenerate": True}).status_code == 200
        assert self.queue(http, world, options={"forceRegenerate": True}).status_code == 200
        assert world.statuses("onboarding_analysis") == ["cancelled", "cancelled", "pending"]

    def test_many_at_once_give_one_job(self, world: PlanWorld, http: FlaskClient) -> None:
        app = http.application
        with ThreadPoolExecutor(6) as pool:
            answers = [each.status_code for each in pool.map(lambda _: self.queue(app.test_client(), world), range(6))]
        assert sorted(answers) == [200] + [409] * 5

    def test_what_is_refused(self, world: PlanWorld, http: FlaskClient) -> None:
        assert self.queue(http, world, userId=str(uuid4())).json["error"] == "User not found"
        assert (
            http.post("/queue/onboarding", json={"userId": str(world.user)}).json["error"] == "userContext: is required"
        )
        for context in (
            {"goals": "many"},
            {"goals": [1]},
            {"name": 1},
            {"description": "x" * 5001},
            {"goals": ["x"] * 51},
            [],
        ):
            assert self.queue(http, world, userContext=context).status_code == 400
        broken = json.dumps({"userId": str(world.user), "userContext": {"name": "\ud800"}})
        assert http.post("/queue/onboarding", data=broken, content_type="application/json").status_code == 400
        assert world.statuses("onboarding_analysis") == []

    def test_the_newest_is_shown(self, world: PlanWorld, http: FlaskClient) -> None:
        path = f"/users/{world.user}/onboarding"
        assert http.get(path).json == {"userId": str(world.user), "analyzedAt": None, "analysis": None}
        analyse(world)
        world.model.answers, world.clock.time = [GOOD], NOW.replace(hour=9)
        result = analyse(world)
        shown = http.get(path).json
        assert (shown["analyzedAt"], shown["analysis"]["id"]) == ("2026-11-23T09:00:00Z", result.analysisId)
        assert shown["analysis"]["recommended_features"][0] == {"feature": "daily_brief", "reason": ""}
        assert http.get("/users/nobody/onboarding").status_code == 404
