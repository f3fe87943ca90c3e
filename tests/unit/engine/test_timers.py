"""Time limits that are no longer needed leave the worker's memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kombu.asynchronous import Hub, get_event_loop, set_event_loop

from tasks import timers


@pytest.fixture
def hub() -> Iterator[Hub]:
    before, hub = get_event_loop(), Hub()
    set_event_loop(hub)
    yield hub
    set_event_loop(before)


def test_cancelled_limits_are_dropped_and_the_others_keep_their_order(hub: Hub) -> None:
    rung: list[int] = []
    limits = [hub.call_later(-1000 + number, rung.append, number) for number in reversed(range(300))]
    for number, limit in zip(reversed(range(300)), limits, strict=True):
        if number % 3:
            limit.cancel()
    del limit, limits
    for _ in range(timers.EVERY):
        timers.run_ended()
    assert len(hub.timer) == 100
    for _, entry in hub.timer:
        entry()
        if not len(hub.timer):
            break
    assert rung == list(range(0, 300, 3))
