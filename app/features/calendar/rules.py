"""Pure rules: how an event's parts become occurrences."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from app.features.calendar.models import Occurrence, Window
from app.formats import recurrence
from app.formats.components import is_day, length, midnight, parse, to_utc
from app.formats.ics import Entry, name_of, value_of
from app.formats.problems import UNREADABLE, ImportProblem, Notes, shown
from app.formats.recurrence import MAX_OCCURRENCES, Rule, parse_rule

if TYPE_CHECKING:
    import icalendar

MAX_ID = 300  # characters; what an index entry takes with ease
Moment = date | datetime


@dataclass(frozen=True)
class Part:
    """One VEVENT, checked. `start` is a day or an aware time; `recurrence_id` says which occurrence it replaces."""

    entry: Entry
    uid: str
    start: Moment
    days: int  # nominal length, then exact time after it
    exact: timedelta
    recurrence_id: Moment | None
    and_future: bool
    rules: tuple[Rule, ...]
    rdates: tuple[Moment | tuple, ...]
    exdates: tuple[Moment, ...]
    rank: tuple  # the highest of the parts that say the same thing holds
    title: str
    description: str | None
    location: str | None
    status: str
    zone: str  # of whole days and floating times

    @property
    def recurs(self) -> bool:
        return bool(self.rules or self.rdates)

    @property
    def tz(self) -> tzinfo:
        return ZoneInfo(self.zone) if is_day(self.start) else self.start.tzinfo


def read_part(entry: Entry, user_zone: str, notes: Notes) -> Part:
    """Check one VEVENT. Raises ImportProblem saying what is wrong with it."""
    parsed = parse(entry, user_zone, notes)
    component = parsed.component
    try:
        return _part(component, entry, parsed.zone, user_zone)
    except ImportProblem as problem:
        raise ImportProblem(problem.message, entry.where) from None
    except OverflowError:
        raise ImportProblem("a date is out of range", entry.where) from None
    except UNREADABLE as error:
        raise ImportProblem(f"cannot be read: {shown(error, 120)}", entry.where) from None


def _part(component: icalendar.Component, entry: Entry, zone: str, user_zone: str) -> Part:
    if "DTSTART" not in component:
        raise ImportProblem("has no DTSTART")
    start, end = _moment(component, "DTSTART"), _moment(component, "DTEND")
    duration = component["DURATION"].dt if "DURATION" in component else None
    if end is not None and is_day(start) != is_day(end):
        raise ImportProblem("DTSTART and DTEND are not of one kind: one is a day, the other has a time")
    start, end = _outlook_days(component, start, end)
    days, exact = length(start, end, duration)
    if days < 0 or exact < timedelta():
        raise ImportProblem(f"ends before it starts ({'DTEND' if end is not None else 'DURATION'})")
    if is_day(start):
        days, exact = max(1, days + (exact > timedelta())), timedelta()
    recurrence_id = _moment(component, "RECURRENCE-ID")
    and_future = "RECURRENCE-ID" in component and component["RECURRENCE-ID"].params.get("RANGE", "") == "THISANDFUTURE"
    part = Part(
        entry=entry,
        uid=uid_of(entry),
        start=start,
        days=days,
        exact=exact,
        recurrence_id=recurrence_id,
        and_future=and_future,
        rules=tuple(parse_rule(value_of(line)) for line in entry.lines if name_of(line) == "RRULE"),
        rdates=tuple(_moments(component, "RDATE")),
        exdates=tuple(_moments(component, "EXDATE")),
        rank=(_sequence(entry), entry.value("LAST-MODIFIED") or entry.value("DTSTAMP") or "", entry.number),
        title=_text(component, "SUMMARY") or "(no title)",
        description=_text(component, "DESCRIPTION"),
        location=_text(component, "LOCATION"),
        status=_status(entry),
        zone=user_zone if is_day(start) else zone,
    )
    finish(part, begin(part, start), days, exact)  # raises OverflowError at the ends of the calendar
    return part


def _moment(component: icalendar.Component, name: str) -> Moment | None:
    value = getattr(component.get(name), "dt", None)
    if value is not None and not isinstance(value, date):
        raise ImportProblem(f"{name} is not a date or time")
    return value


def _moments(component: icalendar.Component, name: str) -> Iterable[Moment | tuple]:
    values = component.get(name, [])
    for value in values if isinstance(values, list) else [values]:
        for item in value.dts:
            moment = item.dt[0] if isinstance(item.dt, tuple) else item.dt
            if not isinstance(moment, date):
                raise ImportProblem(f"{name} is not a date or time")
            yield item.dt


def _outlook_days(component: icalendar.Component, start: Moment, end: Moment | None) -> tuple[Moment, Moment | None]:
    """Exchange writes a whole day as a time from midnight to midnight, with a note."""
    noted = str(component.get("X-MICROSOFT-CDO-ALLDAYEVENT", "")).upper() == "TRUE"
    if not noted or is_day(start) or end is None or start.time() != time() or end.time() != time():
        return start, end
    return start.date(), end.date()


def _sequence(entry: Entry) -> int:
    value = entry.value("SEQUENCE") or ""
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else 0


def _text(component: icalendar.Component, name: str) -> str | None:
    value = component.get(name)
    value = value[0] if isinstance(value, list) else value
    return str(value).strip() or None if value is not None else None


def _status(entry: Entry) -> str:
    value = (entry.value("STATUS") or "").upper()
    if value == "CANCELLED" or entry.calendar.method == "CANCEL":
        return "cancelled"
    return "tentative" if value == "TENTATIVE" else "confirmed"


def uid_of(entry: Entry) -> str:
    """The UID; for an entry without one, an id that stays the same as long as its start and title do."""
    if uid := (entry.value("UID") or "").strip():
        return uid
    said = "\n".join((entry.kind, entry.value("DTSTART") or "", entry.value("SUMMARY") or ""))
    return "no-uid-" + hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def external_id(uid: str, key: Moment | None = None) -> str:
    """UID, and for an occurrence its original start (UTC) after a slash. Very long ones are shortened, still unique."""
    if len(uid) > MAX_ID:
        uid = f"{uid[:100]}~{hashlib.sha256(uid.encode('utf-8', 'surrogatepass')).hexdigest()}"
    if key is None:
        return uid
    return f"{uid}/{key:%Y%m%d}" if is_day(key) else f"{uid}/{key:%Y%m%dT%H%M%SZ}"


def key_of(part: Part, moment: Moment) -> Moment:
    """What identifies an occurrence of `part`: its day, or its instant in UTC, whichever way the file writes it."""
    if is_day(part.start):
        return moment if is_day(moment) else moment.astimezone(part.tz).date()
    if is_day(moment):
        return to_utc(datetime.combine(moment, part.start.time()), part.tz)
    return to_utc(moment.replace(tzinfo=None), moment.tzinfo)


def begin(part: Part, moment: Moment) -> datetime:
    """When an occurrence starts, in UTC."""
    if is_day(moment):
        return midnight(moment, part.zone)
    return to_utc(moment.replace(tzinfo=None), moment.tzinfo)


def finish(part: Part, start: datetime, days: int, exact: timedelta) -> datetime:
    """When it ends, in UTC: days later on the wall clock, then the exact rest."""
    if not days:
        return start + exact
    local = start.astimezone(part.tz).replace(tzinfo=None) + timedelta(days=days)
    return to_utc(local, part.tz) + exact


def occurrence(part: Part, key: Moment | None, start: datetime, end: datetime) -> Occurrence:
    """The row for one occurrence; `key` is None for an event that happens once."""
    zone = getattr(part.start.tzinfo, "key", None) if not is_day(part.start) else None
    return Occurrence(
        external_id=external_id(part.uid, key),
        title=part.title,
        description=part.description,
        location=part.location,
        start_time=start,
        end_time=end,
        all_day=is_day(part.start),
        timezone=zone or part.zone,
        status=part.status,
    )


def happening(part: Part, key: Moment | None = None) -> Occurrence:
    """An event that happens once, or the single occurrence that `key` names."""
    start = begin(part, part.start)
    return occurrence(part, key, start, finish(part, start, part.days, part.exact))


def series(master: Part, replaced: Iterable[Part], window: Window, notes: Notes) -> list[Occurrence]:
    """The occurrences of a series that touch the window, with the single ones that were changed in their place."""
    keys, excluded = _keys(master, window, notes)
    instead = {key_of(master, part.recurrence_id): part for part in sorted(replaced, key=lambda part: part.rank)}
    instead = {key: part for key, part in instead.items() if not excluded(key)}
    onward = sorted((item for item in instead.items() if item[1].and_future), key=lambda item: item[0])
    found = [happening(part, key) for key, part in instead.items()]
    for key, period in keys.items():
        if key in instead or excluded(key):
            continue
        base = next((part for since, part in reversed(onward) if since <= key), master)
        start = begin(master, key) if base is master else _moved(master, base, key)
        days, exact = period or (base.days, base.exact)
        found.append(occurrence(base, key, start, finish(base, start, days, exact)))
    inside = [o for o in found if o.start_time <= window.stop and o.end_time >= window.start]
    if master.status == "cancelled":
        inside = [_cancelled(o) for o in inside]
    return sorted(inside, key=lambda o: (o.start_time, o.external_id))


def _cancelled(o: Occurrence) -> Occurrence:
    return o if o.status == "cancelled" else Occurrence(**{**vars(o), "status": "cancelled"})


def _moved(master: Part, base: Part, key: Moment) -> datetime:
    """A later occurrence moved as far as the one that was changed "and all future ones"."""
    since = key_of(master, base.recurrence_id)
    if is_day(key) or is_day(base.start):
        first = base.start if is_day(base.start) else base.start.date()
        by = first - (since if is_day(since) else since.astimezone(master.tz).date())
        day = (key if is_day(key) else key.astimezone(master.tz).date()) + by
        return begin(base, day) if is_day(base.start) else to_utc(datetime.combine(day, base.start.time()), base.tz)
    wall = base.start.astimezone(master.tz).replace(tzinfo=None) - since.astimezone(master.tz).replace(tzinfo=None)
    return to_utc(key.astimezone(master.tz).replace(tzinfo=None) + wall, master.tz)


def _keys(master: Part, window: Window, notes: Notes) -> tuple[dict, Callable[[Moment], bool]]:
    """Original starts in the window, each with a length of its own where an RDATE gives one; and which are excluded."""
    whole_days, tz = is_day(master.start), master.tz
    first = _local(window.start, tz) - timedelta(days=master.days) - master.exact
    last = _local(window.stop, tz)
    start = datetime.combine(master.start, time()) if whole_days else master.start.replace(tzinfo=None)
    keys: dict[Moment, tuple[int, timedelta] | None] = {key_of(master, master.start): None}
    for rule in master.rules:
        moments, more = recurrence.expand(rule, start, first, last, tz)
        if more:
            notes.warn(
                f"repeats too often: only the first {MAX_OCCURRENCES:,} occurrences from {first:%Y-%m-%d} on are kept",
                master.entry.where,
            )
        keys |= {key_of(master, m.date() if whole_days else m.replace(tzinfo=tz)): None for m in moments}
    for item in master.rdates:
        if isinstance(item, tuple):
            begins, ends = item
            keys[key_of(master, begins)] = (0, ends) if isinstance(ends, timedelta) else length(begins, ends, None)
        else:
            keys[key_of(master, item)] = None
    gone = {key_of(master, item) for item in master.exdates if whole_days or not is_day(item)}
    gone_days = {item for item in master.exdates if is_day(item)}

    def excluded(key: Moment) -> bool:
        return key in gone or (bool(gone_days) and (key if whole_days else key.astimezone(tz).date()) in gone_days)

    return keys, excluded


def _local(moment: datetime, tz: tzinfo) -> datetime:
    return moment.astimezone(UTC).astimezone(tz).replace(tzinfo=None)
