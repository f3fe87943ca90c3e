"""iCalendar text (RFC 5545) to entries, each with its place in the file.

A file is taken apart by lines first and parsed entry by entry afterwards, so that a broken entry can be named and the
rest is still read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.formats.problems import ImportProblem, Notes, shown

KINDS = ("VEVENT", "VTODO")
_LINE_END = re.compile(r"\r*\n|\r")
_PROPERTY = re.compile(r"[A-Za-z0-9-]+(?=[;:])")


@dataclass
class Calendar:
    """A VCALENDAR: its own properties, and its time zones as content lines by TZID."""

    name: str | None = None
    timezone: str | None = None
    method: str | None = None
    zones: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """An event or a task as the file has it. `lines` are unfolded, from BEGIN to END, without alarms."""

    kind: str
    number: int
    line: int
    lines: tuple[str, ...]
    calendar: Calendar

    def value(self, name: str) -> str | None:
        """The raw value of the first property of that name."""
        return next((value_of(line) for line in self.lines if name_of(line) == name), None)

    @property
    def where(self) -> str:
        """`entry 3 (UID abc, line 120)`."""
        uid = self.value("UID")
        return f"entry {self.number} ({f'UID {shown(uid)}, ' if uid else ''}line {self.line})"


def name_of(line: str) -> str:
    """The property's name in capitals; empty for a line that is none."""
    match = _PROPERTY.match(line)
    return match.group().upper() if match else ""


def split_line(line: str) -> tuple[str, str]:
    """A content line as (name and parameters, value). A colon inside quotes does not end the parameters."""
    quoted = False
    for i, char in enumerate(line):
        if char == '"':
            quoted = not quoted
        elif char == ":" and not quoted:
            return line[:i], line[i + 1 :]
    return line, ""


def value_of(line: str) -> str:
    """The raw value of a content line."""
    return split_line(line)[1].strip()


def unescape(value: str) -> str:
    """A TEXT value as it is meant: `\\,` `\\;` `\\n` `\\\\` resolved."""
    return re.sub(r"\\(.)", lambda m: "\n" if m.group(1) in "nN" else m.group(1), value)


def read_entries(text: str, notes: Notes) -> list[Entry]:
    """Every event and task of an iCalendar text, whichever of its calendars it is in.

    Entries that are not closed are refused in `notes`. Raises ImportProblem where the text holds no calendar at all.
    """
    reader = _Reader(notes)
    for line_number, line in _unfolded(text):
        reader.take(line_number, line)
    reader.finish()
    return reader.entries


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Content lines with the number of their first line in the file."""
    start, parts = 0, []
    for number, raw in enumerate(_LINE_END.split(text.lstrip("\ufeff")), start=1):
        if raw[:1] in (" ", "\t") and parts:
            parts.append(raw[1:])
            continue
        if parts and parts != [""]:
            yield start, "".join(parts)
        start, parts = number, [raw.rstrip("\x1a")]
    if parts and parts != [""]:
        yield start, "".join(parts)


class _Reader:
    """One pass over the content lines, with what is open at the moment."""

    def __init__(self, notes: Notes):
        self.notes = notes
        self.entries: list[Entry] = []
        self.calendar: Calendar | None = None
        self.calendars = 0
        self.count = 0
        self.open: list[str] = []  # components inside the calendar
        self.lines: list[str] = []  # of the event, task or time zone that is open
        self.start = 0

    def take(self, number: int, line: str) -> None:
        name = name_of(line)
        value = value_of(line) if name else ""
        if name == "BEGIN":
            self.begin(value.upper(), number, line)
        elif name == "END":
            self.end(value.upper(), number, line)
        elif self.calendar is None:
            return
        elif not self.open:
            self.calendar_property(name, value)
        elif len(self.open) == 1 or self.open[0] == "VTIMEZONE":
            if name:
                self.lines.append(line)
            elif self.open[0] in KINDS and line.strip():
                self.notes.warn(f"line {number} is not NAME:value and is left out", self.current().where)

    def calendar_property(self, name: str, value: str) -> None:
        if name == "X-WR-CALNAME":
            self.calendar.name = unescape(value).strip() or None
        elif name == "X-WR-TIMEZONE":
            self.calendar.timezone = value or None
        elif name == "METHOD":
            self.calendar.method = value.upper()

    def begin(self, kind: str, number: int, line: str) -> None:
        if kind == "VCALENDAR":
            self.close_calendar()
            self.calendar = Calendar()
            self.calendars += 1
            return
        if self.calendar is None:
            return
        if self.open and kind in KINDS:
            self.refuse_open(f"has no END:{self.open[0]}")
        if not self.open:
            self.start, self.lines = number, [line]
            self.count += kind in KINDS
        elif self.open[0] == "VTIMEZONE":
            self.lines.append(line)
        self.open.append(kind)

    def end(self, kind: str, number: int, line: str) -> None:
        if kind == "VCALENDAR":
            if self.open:
                self.refuse_open(f"has no END:{self.open[0]}")
            self.calendar = None
            return
        if not self.open or kind not in self.open:
            return
        inner = self.open.pop()
        while inner != kind:  # an alarm or the like that was never closed
            inner = self.open.pop()
        if self.open:
            if self.open[0] == "VTIMEZONE":
                self.lines.append(line)
            return
        self.lines.append(line)
        if kind == "VTIMEZONE":
            zone_id = next((value_of(item) for item in self.lines if name_of(item) == "TZID"), None)
            if zone_id:
                self.calendar.zones[zone_id] = tuple(self.lines)
        elif kind in KINDS:
            self.entries.append(self.current(kind))

    def current(self, kind: str | None = None) -> Entry:
        return Entry(kind or self.open[0], self.count, self.start, tuple(self.lines), self.calendar)

    def refuse_open(self, reason: str) -> None:
        if self.open[0] in KINDS:
            self.notes.problems.append(ImportProblem(reason, self.current().where))
        self.open = []

    def close_calendar(self) -> None:
        """A calendar that is still open when the next begins or the file ends was cut off."""
        if self.calendar is None:
            return
        if self.open and self.open[0] in KINDS:
            self.refuse_open("the file ends in the middle of it")
        else:
            self.notes.problems.append(ImportProblem("the file is cut off: END:VCALENDAR is missing"))
        self.open, self.calendar = [], None

    def finish(self) -> None:
        if not self.calendars:
            raise ImportProblem("is not a calendar: it has no BEGIN:VCALENDAR")
        self.close_calendar()
