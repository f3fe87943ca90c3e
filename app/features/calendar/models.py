"""What an iCalendar file becomes: occurrences, grouped by the event they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.formats.counts import Counts
from app.formats.ics import Entry

BACK = timedelta(days=366)
AHEAD = timedelta(days=396)


@dataclass(frozen=True)
class Window:
    """The span in which endless series are expanded: [start, stop], aware."""

    start: datetime
    stop: datetime

    @classmethod
    def around(cls, now: datetime) -> Window:
        """A year back and thirteen months ahead."""
        return cls(now - BACK, now + AHEAD)


@dataclass(frozen=True)
class Origin:
    """Where rows come from: `sync_source` (ics, feed, google, app), and the connection that keeps them up to date."""

    sync_source: str
    connection_id: UUID | None = None

    def values(self) -> dict[str, Any]:
        """As parameters of a statement."""
        return {"source": self.sync_source, "connection_id": self.connection_id}

    @property
    def prefix(self) -> str:
        """What stands before the ids of its events, so that two calendars with the same event do not meet."""
        return f"{self.connection_id.hex[:12]}:" if self.connection_id else ""


FILE = Origin("ics")


@dataclass(frozen=True)
class Occurrence:
    """A row of calendar_events. Times are UTC; of a whole-day event they are midnights of `timezone`."""

    external_id: str
    title: str
    description: str | None
    location: str | None
    start_time: datetime
    end_time: datetime
    all_day: bool
    timezone: str
    status: str


@dataclass(frozen=True)
class Event:
    """Everything a file says under one UID. `ics` is set for a series: what later days are expanded from."""

    external_id: str
    ics: str | None
    complete: bool  # false: single occurrences of a series that the file does not hold
    entries: tuple[Entry, ...]
    occurrences: tuple[Occurrence, ...]


@dataclass
class CalendarChanges:
    """`events` counts one per UID, `occurrences` the rows of calendar_events."""

    events: Counts = field(default_factory=Counts)
    occurrences: Counts = field(default_factory=Counts)
