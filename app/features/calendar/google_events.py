"""Google's events ↔ ours. Pure: JSON becomes entries of an iCalendar file, which the rules of the feature expand.

Recurring events come as they are (`singleEvents=false`): the series with its rules, and each changed occurrence as an event of
its own that names the series (docs/decisions/google-calendar.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.features.calendar.models import Occurrence
from app.formats.ics import Calendar, Entry, name_of
from app.formats.problems import ImportProblem, shown
from app.formats.zones import iana_name

RULES = ("RRULE", "RDATE", "EXDATE")
LONGEST = 8000  # characters of a title, place or description that are kept


@dataclass(frozen=True)
class Change:
    """What one item of Google's list says. `entry` is None for an event that is gone.

    `series_id` is set for an occurrence: its series. Ids are Google's own.
    """

    remote_id: str
    series_id: str | None
    entry: Entry | None
    etag: str | None
    updated: datetime | None

    @property
    def group(self) -> str:
        """The id that a series shares with its changed occurrences."""
        return self.series_id or self.remote_id


def read_item(item: dict[str, Any], number: int, calendar_zone: str, prefix: str) -> Change:
    """One item of the list; `calendar_zone` (IANA) is that of times without one, `prefix` goes before the UID.

    Raises ImportProblem saying what is wrong with it.
    """
    remote_id = item.get("id")
    if not isinstance(remote_id, str) or not remote_id:
        raise ImportProblem("has no id", f"event {number}")
    try:
        return _read(item, remote_id, number, calendar_zone, prefix)
    except ImportProblem as problem:
        raise ImportProblem(problem.message, f"event {shown(remote_id)}") from None
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ImportProblem(f"cannot be read: {shown(error, 120)}", f"event {shown(remote_id)}") from None


def _read(item: dict[str, Any], remote_id: str, number: int, calendar_zone: str, prefix: str) -> Change:
    series_id = item.get("recurringEventId") or None
    updated = datetime.fromisoformat(item["updated"]) if item.get("updated") else None
    etag = item.get("etag") if isinstance(item.get("etag"), str) else None
    cancelled = item.get("status") == "cancelled"
    if (cancelled and series_id is None) or item.get("eventType") == "workingLocation":  # a place, not an event
        return Change(remote_id, None, None, etag, updated)
    zone = _zone(item.get("start"), calendar_zone)
    lines = ["BEGIN:VEVENT", f"UID:{prefix}{series_id or remote_id}"]
    original = item.get("originalStartTime")
    if series_id is not None:
        lines.append(_moment("RECURRENCE-ID", original, calendar_zone, as_utc=True))
    recurs = bool(item.get("recurrence")) and series_id is None
    start = item.get("start") or (original if cancelled else None)
    if start is None:
        raise ImportProblem("has no start")
    lines.append(_moment("DTSTART", start, zone, exact=not recurs))
    if item.get("end") and not item.get("endTimeUnspecified"):
        lines.append(_moment("DTEND", item["end"], zone, exact=not recurs))
    if recurs:
        lines += [line for line in map(_clean, item["recurrence"]) if name_of(line) in RULES]
    for name, value in (("SUMMARY", "summary"), ("DESCRIPTION", "description"), ("LOCATION", "location")):
        if isinstance(item.get(value), str) and (said := _clean(item[value], keep_lines=True).strip()):
            lines.append(f"{name}:{_escaped(said[:LONGEST])}")
    lines.append(f"STATUS:{_status(item, cancelled)}")
    sequence = item.get("sequence")
    lines.append(f"SEQUENCE:{sequence if isinstance(sequence, int) and 0 <= sequence < 10**9 else 0}")
    if updated is not None:
        lines.append(f"LAST-MODIFIED:{updated.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    lines.append("END:VEVENT")
    return Change(
        remote_id, series_id, Entry("VEVENT", number, number, tuple(lines), Calendar(timezone=zone)), etag, updated
    )


def _zone(start: Any, calendar_zone: str) -> str:
    named = start.get("timeZone") if isinstance(start, dict) else None
    return iana_name(named) or calendar_zone


def _moment(name: str, value: Any, zone: str, *, as_utc: bool = False, exact: bool = False) -> str:
    """`{date}` or `{dateTime, timeZone}` as a content line.

    `exact`: a time that the clock shows twice must not become the first of the two.
    """
    if not isinstance(value, dict):
        raise ImportProblem(f"has no {'original start' if name == 'RECURRENCE-ID' else 'start or end'}")
    if value.get("date"):
        return f"{name};VALUE=DATE:{date.fromisoformat(value['date']):%Y%m%d}"
    moment = datetime.fromisoformat(value["dateTime"])
    own = iana_name(value.get("timeZone")) or zone
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(own))
    local = moment.astimezone(UTC).astimezone(ZoneInfo(own))
    if as_utc or own == "UTC" or (exact and local.fold):
        return f"{name}:{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"{name};TZID={own}:{local:%Y%m%dT%H%M%S}"


def _status(item: dict[str, Any], cancelled: bool) -> str:
    """Declined is as good as cancelled, and not answered as good as tentative."""
    attendees = item.get("attendees")
    own = (
        next((a for a in attendees if isinstance(a, dict) and a.get("self")), {}) if isinstance(attendees, list) else {}
    )
    if cancelled or own.get("responseStatus") == "declined":
        return "CANCELLED"
    if item.get("status") == "tentative" or own.get("responseStatus") in ("tentative", "needsAction"):
        return "TENTATIVE"
    return "CONFIRMED"


def _clean(value: str, *, keep_lines: bool = False) -> str:
    """Without what a line, or Postgres, cannot hold."""
    value = value.replace("\x00", "").encode("utf-8", "replace").decode()
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(char for char in value if char >= " " or char in "\n\t")
    return kept if keep_lines else kept.replace("\n", " ").strip()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def merged(stored: Iterable[Entry], incoming: Iterable[Entry]) -> list[Entry]:
    """A series as it is once these entries have come: each takes the place of the stored one of the same occurrence.

    Google tells of what changed alone, so a series keeps the changed occurrences that are not mentioned; one that happens
    once now has none. A cancelled occurrence has no title of its own and gets the series'.
    """
    entries = {entry.value("RECURRENCE-ID"): entry for entry in stored}
    fresh = {entry.value("RECURRENCE-ID"): entry for entry in incoming}
    master = fresh.get(None)
    if master is not None and not any(name_of(line) in ("RRULE", "RDATE") for line in master.lines):
        entries = {}
    entries |= fresh
    title = (
        next((line for line in entries[None].lines if name_of(line) == "SUMMARY"), None) if None in entries else None
    )
    return [_titled(entry, title) for entry in entries.values()]


def _titled(entry: Entry, title: str | None) -> Entry:
    if title is None or entry.value("SUMMARY") is not None or entry.value("STATUS") != "CANCELLED":
        return entry
    return replace(entry, lines=(*entry.lines[:-1], title, entry.lines[-1]))


def body_of(event: Occurrence) -> dict[str, Any]:
    """An event of ours as Google takes it; also what is kept to know whether it says something new."""
    zone = ZoneInfo(event.timezone)
    if event.all_day:
        first, last = event.start_time.astimezone(zone).date(), event.end_time.astimezone(zone).date()
        last = max(last, first + timedelta(days=1))
        times = {"start": {"date": first.isoformat()}, "end": {"date": last.isoformat()}}
    else:
        times = {
            name: {"dateTime": moment.astimezone(zone).isoformat(timespec="seconds"), "timeZone": event.timezone}
            for name, moment in (("start", event.start_time), ("end", event.end_time))
        }
    # What is not named in a patch stays: an event that becomes a whole day must lose its time of day.
    empty = {"dateTime": None, "timeZone": None} if event.all_day else {"date": None}
    return {"summary": event.title, **{name: {**empty, **value} for name, value in times.items()}}
