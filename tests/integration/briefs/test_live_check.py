"""What `make test-llm` says of models, tried on a provider of this machine."""

from __future__ import annotations

import json

from tests.live.__main__ import run
from tests.support.llm_server import LLMServer, answer, status
from tests.support.servers import plain_settings

ANALYSIS = {
    "summary": "You have plans.", "insights": ["You begin a lot."], "workflow_suggestions": [{"title": "One thing", "description": "at a time"}],
    "recommended_features": [{"feature": "daily_brief", "reason": "a start"}], "adhd_practices": [{"title": "Timer", "description": "ten minutes"}],
    "questions": [{"question": "When do you work best?", "purpose": "the brief's time"}],
}  # fmt: skip


def test_each_model_is_asked_alone_and_a_failure_is_named() -> None:
    said: list[str] = []
    with LLMServer() as server:
        server.behave("maker/good", answer(json.dumps(ANALYSIS)))
        server.behave("maker/bad", status(401))
        settings = plain_settings(
            private_openrouter_api_key="sk-x", openrouter_base_url=server.base_url, llm_models=("maker/good", "maker/bad")
        )
        assert run(settings, said.append) is False
        assert run(settings.model_copy(update={"llm_models": ("maker/good",)}), said.append) is True
    found = [line.partition(" (")[0] for line in said]
    assert found[0] == "maker/good analysis: ok, 1 questions" and found[1].startswith("maker/good stream: ok, ")
    assert all(line.startswith(f"maker/bad {name}: FAILED: maker/bad ") for name, line in zip(("analysis", "stream"), found[2:4], strict=True))


def test_without_a_key_it_says_so() -> None:
    said: list[str] = []
    assert run(plain_settings(llm_models=("maker/model",)), said.append) is False
    assert "FAILED" in said[0]
