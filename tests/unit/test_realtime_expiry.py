"""Connections end with their token."""

from __future__ import annotations

from collections.abc import Callable

from app.realtime.expiry import Expiry


def test_each_ends_when_its_token_does_and_nothing_runs_for_nobody() -> None:
    begun: list[Callable[[], None]] = []
    ended: list[str] = []
    slept: list[float] = []

    def end(sid: str) -> None:
        ended.append(sid)
        if ended.count(sid) == 2:  # the first time it was still connecting
            expiry.forget(sid)

    expiry = Expiry(begun.append, slept.append, end)
    expiry.watch("service key", None)
    assert begun == []
    for sid, until in (("first", 100), ("second", 200), ("left", 100)):
        expiry.watch(sid, until)
    expiry.forget("left")
    assert len(begun) == 1
    expiry.look(99.9)
    assert ended == []
    expiry.look(100.0)
    assert ended == ["first"]
    begun[0]()  # the time of the second is long over as well
    assert ended == ["first", "first", "second", "second"] and len(slept) == 2
    expiry.watch("third", 10**400)
    assert len(begun) == 2
