"""Small calendars for tests, and what is read from them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from app.features.calendar.models import Event, Occurrence, Window
from app.features.calendar.parsing import read_events
from app.formats.ics import read_entries
from app.formats.problems import Notes

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def calendar(*entries: str, head: str = "") -> str:
    """A calendar of VEVENTs given by their inner lines; an entry that starts with BEGIN is taken as it is."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", *head.split()]
    for entry in entries:
        inner = [line.strip() for line in entry.strip().splitlines()]
        lines += inner if inner[0].startswith("BEGIN") else ["BEGIN:VEVENT", *inner, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def events(text: str, zone: str = BERLIN, now: datetime = NOW) -> tuple[list[Event], Notes]:
    """The events of a calendar text in the window around `now`."""
    notes = Notes()
    return read_events(read_entries(text, notes), zone, Window.around(now), notes), notes


def occurrences(text: str, zone: str = BERLIN, now: datetime = NOW) -> list[Occurrence]:
    """All occurrences of a calendar text that is without a fault."""
    found, notes = events(text, zone, now)
    assert not notes.problems, [str(problem) for problem in notes.problems]
    return sorted((o for event in found for o in event.occurrences), key=lambda o: o.start_time)


def starts(text: str, zone: str = BERLIN, now: datetime = NOW, shown_in: str | None = None) -> list[str]:
    """Starts as local times in `shown_in` (the user's zone if not given): `2026-03-29 03:30`."""
    local = ZoneInfo(shown_in or zone)
    return [f"{o.start_time.astimezone(local):%Y-%m-%d %H:%M}" for o in occurrences(text, zone, now)]
