"""What we need from a language model: a text for a text, at once or piece by piece."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer: `text` is never empty, `model` is the name of the model that gave it, as the chain spells it."""

    text: str
    model: str


@dataclass(frozen=True, slots=True)
class Begun:
    """`model` begins to answer. Every piece that came before is void: `broken` says how the model it came from broke off."""

    model: str
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """The next characters of the answer of the model that began last. Never empty."""

    text: str


class LLMUnavailable(Exception):
    """No model answered. `reason` is one sentence for the user: which model failed how; it never holds a secret.

    `configured`: there are models to ask, so asking again later may help.
    """

    def __init__(self, reason: str, *, configured: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.configured = configured


class Stopped(Exception):
    """The caller no longer wants the answer."""


class Stop:
    """Ends calls of a model from outside, whatever they are waiting for. Once set it stays set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set = False
        self._ends: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        """End the calls that run with this, and let no further one begin. Safe from any thread, however often."""
        with self._lock:
            self._set = True
            ends, self._ends = self._ends, []
        for end in ends:
            end()

    @contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """While the block runs, `set` calls `end`. Raises Stopped when it is set already."""
        with self._lock:
            if self._set:
                raise Stopped
            self._ends.append(end)
        try:
            yield
        finally:
            with self._lock:
                if end in self._ends:
                    self._ends.remove(end)


class LLM(Protocol):
    """A chain of models behind one call."""

    def complete(self, *, system: str, user: str, max_tokens: int = 1200) -> Completion:
        """Answer `user` under the instructions of `system`, in at most `max_tokens` tokens.

        Blocks while the models are asked. Raises LLMUnavailable when no key is set or every model failed.
        """
        ...

    def stream(
        self, *, system: str, user: str, max_tokens: int = 1200, stop: Stop | None = None
    ) -> Iterator[Begun | Piece | Completion]:
        """The same answer as it comes: `Begun`, its pieces, and at the end the one `Completion`, whose text decides.

        A model that breaks off before its end is followed by the next one with a new `Begun`. Raises LLMUnavailable like
        `complete`, and Stopped once `stop` is set. Closing the iterator ends the call as well.
        """
        ...
