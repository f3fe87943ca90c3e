"""Waiting with a sign of life."""

from __future__ import annotations

import threading

import pytest

from app.queue.waiting import while_waiting


def test_what_comes_back_comes_back() -> None:
    assert while_waiting(lambda: 42, lambda seconds: None, every=10) == 42


def test_what_is_raised_is_raised() -> None:
    def fail() -> None:
        raise LookupError("why")

    with pytest.raises(LookupError, match="why"):
        while_waiting(fail, lambda seconds: None, every=10)


def test_it_ticks_until_the_call_is_done() -> None:
    enough, ticks = threading.Event(), []

    def tick(seconds: int) -> None:
        ticks.append(seconds)
        if len(ticks) == 3:
            enough.set()

    assert while_waiting(lambda: enough.wait(30), tick, every=0.01) is True
    assert len(ticks) >= 3 and ticks == sorted(ticks)


def test_a_tick_that_raises_ends_the_waiting() -> None:
    class Cancelled(BaseException):
        pass

    release = threading.Event()

    def tick(seconds: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        while_waiting(lambda: release.wait(30), tick, every=0.01)
    release.set()
