"""A language model in this process that sorts brain dumps: what it says to each of the three questions is the test's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.ports.llm import Begun, Completion, LLMUnavailable, Piece, Stop, Stopped

PHASES = {"You prepare": "analysis", "You find what": "context", "You find the": "tasks"}


def phase_of(system: str) -> str:
    """Which of the three questions it is."""
    return next(phase for words, phase in PHASES.items() if system.startswith(words))


@dataclass
class Sorter:
    """`says` by phase: an object, several for one question after the other, an exception, or a function of the Stop."""

    says: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    read: dict[str, str] = field(default_factory=dict)
    stops: list[Stop] = field(default_factory=list)
    watch: Callable[[], None] = lambda: None

    def complete(self, *, system: str, user: str, max_tokens: int = 1200) -> Completion:
        raise LLMUnavailable("this one only streams")

    def stream(
        self, *, system: str, user: str, max_tokens: int = 1200, stop: Stop | None = None
    ) -> Iterator[Begun | Piece | Completion]:
        phase = phase_of(system)
        self.asked.append(phase)
        self.read[phase] = user
        self.stops.append(stop)
        self.watch()
        said = self.says.get(phase, {} if phase == "analysis" else {"operations": []})
        if isinstance(said, list):
            said = said.pop(0)
        if isinstance(said, Exception):
            raise said
        if callable(said):
            said = said(stop)
        if stop.is_set:
            raise Stopped
        text = said if isinstance(said, str) else json.dumps(said)
        yield Begun("test/model")
        for start in range(0, len(text), 40):
            yield Piece(text[start : start + 40])
        yield Completion(text, "test/model")
