"""A language model in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.ports.llm import Completion, LLMUnavailable

NO_MODEL = LLMUnavailable("no language model is configured", configured=False)


@dataclass
class SaysInTurn:
    """Gives `answers` one after the other, the last one for ever. One that is no text is sent as JSON, an exception is raised, a
    function is called."""

    answers: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def complete(self, *, system: str, user: str, max_tokens: int = 1200) -> Completion:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(user)
        if isinstance(answer, Callable):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer if isinstance(answer, str) else json.dumps(answer), "test/model")
