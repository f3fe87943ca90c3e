"""What we need from a language model: a text for a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer: `text` is never empty, `model` is the name of the model that gave it, as the chain spells it."""

    text: str
    model: str


class LLMUnavailable(Exception):
    """No model answered. `reason` is one sentence for the user: which model failed how; it never holds a secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LLM(Protocol):
    """A chain of models behind one call."""

    def complete(self, *, system: str, user: str, max_tokens: int = 1200) -> Completion:
        """Answer `user` under the instructions of `system`, in at most `max_tokens` tokens.

        Blocks while the models are asked. Raises LLMUnavailable when no key is set or every model failed.
        """
        ...
