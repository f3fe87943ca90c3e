"""Zones, their clock changes, and the schedules worth trying in each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Connection, text

from app.features.schedules.rules import BriefTime

# Half hours, quarter hours, half-hour shifts, changes at midnight and at 22:00, the date line on both sides, Ramadan, no DST.
SAMPLE = (
    "UTC", "Africa/Cairo", "Africa/Casablanca", "America/Anchorage", "America/Asuncion", "America/Havana",
    "America/New_York", "America/Nuuk", "America/Santiago", "America/Sao_Paulo", "America/St_Johns", "Antarctica/Troll",
    "Asia/Beirut", "Asia/Jerusalem", "Asia/Kathmandu", "Asia/Kolkata", "Atlantic/Azores", "Australia/Adelaide",
    "Australia/Lord_Howe", "Europe/Berlin", "Europe/Dublin", "Europe/London", "Pacific/Auckland", "Pacific/Chatham",
    "Pacific/Kiritimati", "Pacific/Pago_Pago",
)  # fmt: skip
STEP = timedelta(hours=12)  # no two changes of a zone are closer


@dataclass(frozen=True)
class Change:
    """A clock change: its instant, the local time just before, and by how much clocks jump."""

    at: datetime
    local: datetime
    jump: timedelta


def wanted_zones() -> list[str]:
    """The sample, or with ZONES=all every zone Python knows."""
    return sorted(available_timezones()) if os.environ.get("ZONES") == "all" else list(SAMPLE)


@cache
def changes(name: str, start: datetime, end: datetime) -> tuple[Change, ...]:
    """The clock changes of a zone between two instants, to the second."""
    zone = ZoneInfo(name)

    def offset(at: datetime) -> timedelta:
        return at.astimezone(zone).utcoffset()

    found, at = [], start
    while at < end:
        low, high = at, at + STEP
        before, after = offset(low), offset(high)
        if before != after:
            while high - low > timedelta(seconds=1):
                middle = (low + (high - low) / 2).replace(microsecond=0)
                low, high = (middle, high) if offset(middle) == before else (low, middle)
            found.append(Change(high, (high + before).replace(tzinfo=None), after - before))
        at += STEP
    return tuple(found)


def same_in_both(connection: Connection, names: list[str], start: datetime, end: datetime) -> tuple[list[str], list[str]]:
    """The zones whose clocks are the same in Python's and in Postgres' data between two instants, and the others."""
    known = {name for (name,) in connection.execute(text("select name from time_zones"))}
    asked = []
    for name in names:
        if name in known:
            steps = int((end - start) / STEP)
            instants = [start + n * STEP for n in range(steps + 1)]
            for change in changes(name, start, end):
                instants += [change.at - timedelta(seconds=1), change.at]
            zone = ZoneInfo(name)
            offsets = [int(at.astimezone(zone).utcoffset().total_seconds()) for at in instants]
            asked.append((name, instants, offsets))

    different = [name for name in names if name not in known]
    for name, instants, offsets in asked:
        agree = connection.execute(
            text(
                "select bool_and(extract(epoch from (at at time zone :zone) - (at at time zone 'UTC')) = seconds)"
                " from unnest(cast(:instants as timestamptz[]), cast(:offsets as int[])) as t (at, seconds)"
            ),
            {"zone": name, "instants": instants, "offsets": offsets},
        ).scalar_one()
        if not agree:
            different.append(name)
    return [name for name in names if name not in different], sorted(different)


def schedules(name: str, start: datetime, end: datetime) -> list[BriefTime]:
    """Schedules to try in a zone: ordinary ones, and one inside every gap and every repeated hour it has."""
    tried = [
        BriefTime("daily", time(9), 1, name),
        BriefTime("daily", time(0), 1, name),
        BriefTime("weekly", time(23, 30), 0, name),
    ]
    for change in changes(name, start, end):
        first_affected = change.local if change.jump > timedelta(0) else change.local + change.jump
        inside = first_affected + abs(change.jump) / 2
        tried.append(BriefTime("custom", inside.time(), 1, name))
        tried.append(BriefTime("weekly", inside.time(), inside.isoweekday() % 7, name))
    return list(dict.fromkeys(tried))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)
