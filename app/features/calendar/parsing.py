"""Entries of an iCalendar file → events, each with its occurrences in a window."""

from __future__ import annotations

from collections.abc import Iterable

from app.features.calendar.models import Event, Window
from app.features.calendar.rules import Part, external_id, happening, key_of, read_part, series
from app.formats.ics import Entry, name_of
from app.formats.problems import ImportProblem, Notes

MAX_OCCURRENCES = 500_000  # of all events of a file together: what memory and one transaction take with ease


def read_events(
    entries: Iterable[Entry], user_zone: str, window: Window, notes: Notes, *, max_occurrences: int = MAX_OCCURRENCES
) -> list[Event]:
    """Every VEVENT among `entries`, by UID. What cannot be used is refused in `notes`, the rest is returned.

    `user_zone` is the IANA zone of whole days and of times that name none.
    """
    groups: dict[str, list[Part]] = {}
    for entry in entries:
        if entry.kind != "VEVENT":
            continue
        try:
            part = read_part(entry, user_zone, notes)
            groups.setdefault(part.uid, []).append(part)
        except ImportProblem as problem:
            notes.problems.append(problem)
    events, total = [], 0
    for uid, parts in groups.items():
        try:
            if total >= max_occurrences:
                raise ImportProblem(f"is left out: the file already holds {max_occurrences:,} occurrences")
            events.append(_event(uid, parts, window, notes))
            total += len(events[-1].occurrences)
        except ImportProblem as problem:
            notes.problems.append(ImportProblem(problem.message, parts[0].entry.where))
        except OverflowError:
            notes.problems.append(ImportProblem("a date is out of range", parts[0].entry.where))
    return events


def _event(uid: str, parts: list[Part], window: Window, notes: Notes) -> Event:
    masters = [part for part in parts if part.recurrence_id is None]
    changed = [part for part in parts if part.recurrence_id is not None]
    master = max(masters, key=lambda part: part.rank, default=None)
    for other in masters:
        if other is not master and other.start != master.start:
            notes.warn(f"has the same UID as {master.entry.where} and is left out", other.entry.where)
    if master is None:
        found = {key_of(part, part.recurrence_id): part for part in sorted(changed, key=lambda part: part.rank)}
        occurrences = tuple(happening(part, key) for key, part in found.items())
        return Event(external_id(uid), None, False, tuple(part.entry for part in changed), occurrences)
    used = tuple(part.entry for part in (master, *changed))
    if not master.recurs and not changed:
        return Event(external_id(uid), None, True, used, (happening(master),))
    return Event(external_id(uid), _ics(used), True, used, tuple(series(master, changed, window, notes)))


def _ics(entries: tuple[Entry, ...]) -> str:
    """A calendar of these entries alone, with the time zones their own calendar defines for them."""
    calendar = entries[0].calendar
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//buildos//import//EN"]
    if calendar.timezone:
        lines.append(f"X-WR-TIMEZONE:{calendar.timezone}")
    if calendar.method == "CANCEL":
        lines.append("METHOD:CANCEL")
    own = [line for entry in entries for line in entry.lines]
    heads = "\n".join(line.split(":", 1)[0] for line in own if "TZID" in line.upper() and name_of(line))
    for entry_zones in {id(entry.calendar): entry.calendar.zones for entry in entries}.values():
        for zone_id, zone in entry_zones.items():
            if zone_id in heads or any(f'"{zone_id}"' in line for line in own):
                lines.extend(zone)
    return "\r\n".join([*lines, *own, "END:VCALENDAR", ""])
