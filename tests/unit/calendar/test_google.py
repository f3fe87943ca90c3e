"""The rules of syncing: echoes, conflicts, channels, times; and Google's events as entries of a calendar file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.features.calendar.google_events import body_of, merged, read_item
from app.features.calendar.models import Occurrence, Window
from app.features.calendar.parsing import read_events
from app.features.calendar.sync_rules import (
    ECHO,
    OurChange,
    is_echo,
    needs_channel,
    next_look,
    ours_wins,
    shifted,
    times_of,
)
from app.features.calendar.vault import NoLongerReadable, Vault
from app.formats.problems import ImportProblem, Notes
from tests.support.calendars import BERLIN

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def ours(pushed: timedelta | None = timedelta(minutes=1), waiting: bool = False) -> OurChange:
    """A change that Google took so long ago, as version "7"."""
    return OurChange(NOW - pushed if pushed is not None else None, '"7"', NOW - DAY, NOW, waiting)


@pytest.mark.parametrize(
    ("change", "etag", "updated", "echo"),
    [
        (ours(), '"7"', NOW, True),
        (ours(timedelta()), '"7"', NOW, True),
        (ours(ECHO), '"7"', NOW, False),
        (ours(ECHO - timedelta(microseconds=1)), '"7"', NOW, True),
        (ours(), '"8"', NOW, False),
        (ours(), '"6"', NOW - 2 * DAY, True),
        (ours(), None, None, False),
        (ours(None), '"7"', NOW, False),
        (ours(-DAY), '"7"', NOW, False),
    ],
    ids=["same", "at-once", "five-minutes", "almost", "somebody-else", "older", "unknown", "never-ours", "future"],
)
def test_an_echo(change: OurChange, etag: str | None, updated: datetime | None, echo: bool) -> None:
    assert is_echo(change, etag, updated, NOW) is echo


def test_of_two_changes_the_later_holds() -> None:
    assert ours_wins(ours(waiting=True), NOW) and ours_wins(ours(waiting=True), None)
    assert not ours_wins(ours(waiting=True), NOW + timedelta(seconds=1))
    assert not ours_wins(ours(), NOW - DAY), "nothing of ours waits"


def test_a_channel_is_renewed_a_day_before_its_end() -> None:
    assert needs_channel(None, NOW) and needs_channel(NOW + DAY, NOW) and needs_channel(NOW - DAY, NOW)
    assert not needs_channel(NOW + DAY + timedelta(seconds=1), NOW)
    every = timedelta(minutes=15)
    assert next_look(NOW, watched=False, every=every) - NOW == every
    assert next_look(NOW, watched=True, every=every) - NOW == timedelta(hours=4)


def test_a_task_moves_as_far_as_its_event() -> None:
    assert shifted(NOW, NOW + DAY, NOW + 2 * DAY) == (NOW + 2 * DAY, NOW + 3 * DAY)
    assert shifted(None, NOW, NOW - DAY) == (None, NOW - DAY)
    assert shifted(None, None, NOW) == (NOW, None)


def test_when_the_event_of_a_task_is() -> None:
    assert times_of(NOW, NOW + DAY, False, "UTC") == (NOW, NOW + timedelta(minutes=30))
    assert times_of(None, NOW, False, "UTC", length=DAY) == (NOW, NOW + DAY)
    assert times_of(None, None, True, "UTC") is None
    begins, ends = times_of(datetime(2026, 3, 29, 0, tzinfo=UTC), None, True, BERLIN)
    assert (begins.hour, ends - begins) == (23, timedelta(hours=23)), "the day on which the clocks go forward"


def item(**more: Any) -> dict[str, Any]:
    moments = {"start": {"dateTime": "2026-02-02T09:00:00Z"}, "end": {"dateTime": "2026-02-02T10:00:00Z"}}
    return {"id": "abc", "status": "confirmed", "summary": "Talk", **moments, **more}


def read(*items: dict[str, Any]) -> list[Occurrence]:
    """The occurrences of these items in 2026."""
    entries = [read_item(each, 1, BERLIN, "p:").entry for each in items]
    window = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))
    notes = Notes()
    found = read_events(merged((), entries), BERLIN, window, notes)
    assert not notes.problems, [str(problem) for problem in notes.problems]
    return [occurrence for event in found for occurrence in event.occurrences]


def test_text_arrives_as_it_was_written() -> None:
    odd = "a, b; c\\n \\ d\nsecond line: END:VEVENT\r\nBEGIN:VEVENT ü 漢 😀"
    (found,) = read(item(summary=odd, description=odd + "\x00\x07", location="Room 1"))
    assert found.description == odd.replace("\r\n", "\n") and found.location == "Room 1"
    assert found.title.startswith("a, b; c\\n \\ d")


def test_both_times_of_an_hour_that_comes_twice() -> None:
    for offset, hour in (("+02:00", 0), ("+01:00", 1)):
        start = {"dateTime": f"2026-10-25T02:30:00{offset}", "timeZone": BERLIN}
        end = {"dateTime": "2026-10-25T05:00:00+01:00", "timeZone": BERLIN}
        (found,) = read(item(start=start, end=end))
        assert found.start_time == datetime(2026, 10, 25, hour, 30, tzinfo=UTC)


def test_a_series_keeps_its_local_time_over_a_clock_change() -> None:
    start = {"dateTime": "2026-03-22T09:00:00+01:00", "timeZone": BERLIN}
    end = {"dateTime": "2026-03-22T10:00:00+01:00", "timeZone": BERLIN}
    rules = ["RRULE:FREQ=WEEKLY;COUNT=3", f"EXDATE;TZID={BERLIN}:20260405T090000"]
    assert [o.start_time.hour for o in read(item(start=start, end=end, recurrence=rules))] == [8, 7]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "event 1: has no id"),
        ({"id": 5}, "event 1: has no id"),
        ({"id": "x"}, "event x: has no start"),
        ({"id": "x", "start": {"timeZone": "UTC"}}, "event x: cannot be read"),
        ({"id": "x", "start": "soon"}, "event x: has no start or end"),
        ({"id": "x", "recurringEventId": "y", "start": {"date": "2026-02-02"}}, "event x: has no original start"),
        ({"id": "x", "start": {"date": "2026-02-30"}}, "event x: cannot be read"),
        ({"id": "x", "start": {"date": "2026-02-03"}, "updated": "yesterday"}, "event x: cannot be read"),
        ({"id": "x", "start": {"date": "2026-02-03"}, "recurrence": [5]}, "event x: cannot be read"),
    ],
    ids=["empty", "number", "bare", "no-time", "words", "no-original", "no-such-day", "updated", "rule"],
)
def test_what_is_no_event_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ImportProblem) as problem:
        read_item(wrong, 1, BERLIN, "p:")
    assert str(problem.value).startswith(said)


def test_what_we_write_reads_back_the_same() -> None:
    day = datetime(2026, 3, 28, 23, tzinfo=UTC)
    for event in (
        Occurrence("x", "Talk", None, None, NOW, NOW + timedelta(hours=1), False, BERLIN, "confirmed"),
        Occurrence("x", "Day off", None, None, day, day + timedelta(hours=23), True, BERLIN, "confirmed"),
    ):
        body = body_of(event)
        sent = {name: {k: v for k, v in body[name].items() if v} for name in ("start", "end")}
        (found,) = read(item(summary=event.title, **sent))
        assert body_of(found) == body


def test_secrets_are_opened_by_any_key_we_still_have() -> None:
    old, new = "a" * 43 + "=", "b" * 43 + "="
    locked = Vault(old).lock({"url": "https://x"})
    assert Vault(f"{new},{old}").unlock(locked) == {"url": "https://x"} and "x" not in locked[:5]
    with pytest.raises(NoLongerReadable):
        Vault(new).unlock(locked)
