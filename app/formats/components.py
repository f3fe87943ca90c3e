"""An entry to a parsed icalendar component whose every time is a day or an instant in a known zone.

Files name zones in many ways; here each becomes an IANA zone where it is one, else the zone that the file itself
defines, else the calendar's, else the user's. The icalendar library keeps defined zones for the whole process under
their name, so a defined zone goes by a digest of its definition: two files never see each other's.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from app.formats.ics import Entry, name_of, split_line
from app.formats.problems import UNREADABLE, ImportProblem, Notes, shown
from app.formats.zones import iana_name

if TYPE_CHECKING:
    import icalendar

TIME_PROPERTIES = frozenset({"DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "EXDATE", "RDATE", "COMPLETED"})
# A value of these that cannot be read makes the entry another one; of any other property only that is lost.
NEEDED = TIME_PROPERTIES | {"DURATION"}
_READ = NEEDED | {"SUMMARY", "DESCRIPTION", "LOCATION", "CATEGORIES", "X-MICROSOFT-CDO-ALLDAYEVENT"}
_TZID = re.compile(r';TZID=("[^"]*"|[^";:]*)', re.IGNORECASE)
_DAY = re.compile(r"^\d{8}(,|$)")
_ONCE = ("DTSTART", "DTEND", "DUE", "DURATION", "RECURRENCE-ID", "COMPLETED")


@dataclass(frozen=True)
class Parsed:
    """A component, and the IANA zone that its days and floating times are in."""

    component: icalendar.Component
    zone: str


def calendar_zone(entry: Entry, user_zone: str) -> str:
    """The zone of times that name none: the calendar's, else the user's."""
    return iana_name(entry.calendar.timezone) or user_zone


def parse(entry: Entry, user_zone: str, notes: Notes) -> Parsed:
    """Parse one entry. Raises ImportProblem naming the property that cannot be read."""
    import icalendar  # slow to import; most processes read no calendar

    zone = calendar_zone(entry, user_zone)
    defined: dict[str, str] = {}
    lines = [_zoned(line, entry, zone, defined, notes) for line in entry.lines if name_of(line) in _READ]
    # Whatever it is, it is parsed as an event: only in events does the library go on after a wrong property.
    text = "\r\n".join(
        ["BEGIN:VCALENDAR", *defined.values(), "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", ""]
    )
    try:
        component = icalendar.Calendar.from_ical(text).subcomponents[-1]
    except UNREADABLE as error:
        raise ImportProblem(f"cannot be read: {shown(error, 120)}", entry.where) from None
    _refuse_broken(component, entry)
    return Parsed(component, zone)


def _refuse_broken(component: icalendar.Component, entry: Entry) -> None:
    for name, message in component.errors:
        if name and name.upper() in NEEDED:
            expected = "a duration" if name.upper() == "DURATION" else "a date or time"
            value = entry.value(name.upper())
            raise ImportProblem(f"{name.upper()} is not {expected}: {shown(value or message)}", entry.where)
    for name in _ONCE:
        if isinstance(component.get(name), list):
            raise ImportProblem(f"has more than one {name}", entry.where)


def _zoned(line: str, entry: Entry, zone: str, defined: dict[str, str], notes: Notes) -> str:
    """The line with its zone spelled so that the parser knows it. `defined` collects the definitions it needs."""
    name = name_of(line)
    if name not in TIME_PROPERTIES:
        return line
    head, value = split_line(line)
    match = _TZID.search(head)
    head = _TZID.sub("", head)
    value = value.strip()
    first = value.split(",")[0].split("/")[0]
    if _DAY.match(value) or "T" not in first.upper() or first.upper().endswith("Z"):
        return f"{head}:{value}"
    asked = match.group(1).strip('"') if match else None
    return f"{head};TZID={_zone_id(asked, entry, zone, defined, notes)}:{value}"


def _zone_id(asked: str | None, entry: Entry, zone: str, defined: dict[str, str], notes: Notes) -> str:
    if not asked:
        return zone
    if known := iana_name(asked):
        return known
    if lines := entry.calendar.zones.get(asked):
        zone_id = "defined-" + hashlib.sha256("\n".join(lines).encode()).hexdigest()[:24]
        if zone_id not in defined:
            text = "\r\n".join(f"TZID:{zone_id}" if name_of(item) == "TZID" else item for item in lines)
            if not _usable(text):
                notes.warn(f'the time zone "{shown(asked)}" is defined wrongly; its times are taken as {zone}')
                return zone
            defined[zone_id] = text
        return zone_id
    notes.warn(f'the time zone "{shown(asked)}" is unknown; its times are taken as {zone}')
    return zone


def _usable(vtimezone: str) -> bool:
    """Whether the definition gives an offset for a summer and a winter of today."""
    import icalendar

    try:
        tz = icalendar.Calendar.from_ical(f"BEGIN:VCALENDAR\r\n{vtimezone}\r\nEND:VCALENDAR\r\n")
        zone = tz.subcomponents[0].to_tz(lookup_tzid=False)
        return all(datetime(2026, month, 1, tzinfo=zone).utcoffset() is not None for month in (1, 7))
    except UNREADABLE:
        return False


def is_day(value: date | datetime) -> bool:
    """A date without a time of day."""
    return not isinstance(value, datetime)


def midnight(day: date, zone: str) -> datetime:
    """The start of a day in `zone`, in UTC; where a clock change skips midnight, the first instant of the day."""
    return to_utc(datetime.combine(day, time()), ZoneInfo(zone))


def to_utc(local: datetime, zone) -> datetime:
    """Local wall-clock time to UTC: one that a clock change skips moves forward by the gap, one it repeats is the first."""
    if zone is None:
        return local.astimezone(UTC)
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def length(start: date | datetime, end: date | datetime | None, duration: timedelta | None) -> tuple[int, timedelta]:
    """How long an entry is, as days on the calendar and exact time after them (RFC 5545: DTEND is exact, DURATION's days nominal)."""
    if end is not None:
        if is_day(start):
            return (end - start).days, timedelta()
        return 0, end.astimezone(UTC) - start.astimezone(UTC)
    if duration is None:
        return 0, timedelta()
    return duration.days, timedelta(seconds=duration.seconds)
