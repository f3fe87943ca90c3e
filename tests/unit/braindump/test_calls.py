"""Calls side by side, with heartbeats, and one that is never coming."""

from __future__ import annotations

import threading
import time

import pytest

from app.features.braindump.calls import TookTooLong, side_by_side
from app.features.braindump.models import HEARTBEAT, Event

FAR = 1e12


def run(calls, *, beat=10.0, until=FAR):
    """(events, what the calls returned)"""
    events, work = [], side_by_side(calls, beat=beat, until=until)
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            return events, end.value


def test_two_calls_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)  # each waits for the other: one after the other would never end

    def call(say):
        both.wait()
        say(Event("token", {"text": "x"}))
        return both.n_waiting

    events, returned = run({"a": call, "b": call})
    assert len(events) == 2 and set(returned) == {"a", "b"}


def test_silence_is_filled_with_heartbeats() -> None:
    enough = threading.Event()
    work = side_by_side({"a": lambda say: enough.wait(10)}, beat=0.01, until=FAR)
    assert [next(work) for _ in range(3)] == [HEARTBEAT] * 3
    enough.set()
    assert all(event == HEARTBEAT for event in work)


def test_the_first_error_is_raised_at_once() -> None:
    never = threading.Event()

    def fail(say):
        raise LookupError("why")

    with pytest.raises(LookupError, match="why"):
        run({"slow": lambda say: never.wait(10), "bad": fail})
    never.set()


def test_an_end_is_put_to_it() -> None:
    never = threading.Event()
    with pytest.raises(TookTooLong):
        run({"slow": lambda say: never.wait(10)}, beat=0.01, until=time.monotonic() + 0.02)
    never.set()


def test_no_calls_are_done() -> None:
    assert run({}) == ([], {})
