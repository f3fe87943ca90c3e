"""A watched adapter is the adapter, and each of its calls is noted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.adapters.watched import Watched, watched
from app.ports.llm import LLMUnavailable


class Carrier:
    """An adapter that does as it is told."""

    name = "carrier"

    def send(self, text: str, *, times: int = 1) -> str:
        """Carry it."""
        if text == "fail":
            raise OSError("ada@example.com refused")
        if text == "none":
            raise LLMUnavailable("no model", configured=False)
        return text * times

    def stream(self, *pieces: str) -> Iterator[str]:
        """Piece by piece."""
        for piece in pieces:
            if piece == "fail":
                raise OSError
            yield piece

    def check(self) -> bool:
        """Calls nobody."""
        return True


class Notes:
    """What a meter is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    def see(self, metric: str, subject: str, outcome: str = "", seconds: float = 0.0) -> None:
        """As Meter.see."""
        assert seconds >= 0
        self.seen.append((metric, subject, outcome))


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def carrier(notes: Notes) -> Carrier:
    return watched(Carrier(), "sms_carrier", ("send", "stream"), notes)


def test_it_does_what_the_adapter_does(carrier: Carrier, notes: Notes) -> None:
    assert isinstance(carrier, Watched) and carrier.name == "carrier" and carrier.check() and carrier.send.__doc__ == "Carry it."
    assert notes.seen == []
    assert carrier.send("ab", times=2) == "abab"
    assert notes.seen == [("adapter_call", "sms_carrier", "ok")]


def test_an_error_is_noted_and_passes_through(carrier: Carrier, notes: Notes) -> None:
    with pytest.raises(OSError, match="refused"):
        carrier.send("fail")
    assert notes.seen == [("adapter_call", "sms_carrier", "error")]


def test_where_nothing_is_set_up_nobody_was_called(carrier: Carrier, notes: Notes) -> None:
    with pytest.raises(LLMUnavailable):
        carrier.send("none")
    assert notes.seen == []


def test_a_stream_is_one_call_that_ends_with_it(carrier: Carrier, notes: Notes) -> None:
    stream = carrier.stream("a", "b")
    assert next(stream) == "a" and notes.seen == []
    assert list(stream) == ["b"] and notes.seen == [("adapter_call", "sms_carrier", "ok")]
    with pytest.raises(OSError):
        list(carrier.stream("a", "fail"))
    left = carrier.stream("a", "b")
    next(left)
    left.close()  # whoever listens has heard enough
    assert [outcome for *_, outcome in notes.seen] == ["ok", "error", "ok"]
