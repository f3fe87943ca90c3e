"""When does a schedule run next? Pure functions, the clock passed in.

The ticks use the same rules in SQL (`alembic/sql/0004_schedules/1_local_time.sql`); `tests/integration/schedules/test_zones.py`
holds one against the other. Instants are aware and in UTC, local times are naive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

Frequency = Literal["daily", "weekly", "custom"]

LEAD = timedelta(minutes=2)  # a brief starts this long before its notification
HORIZON = timedelta(hours=1)  # how far a tick of briefs looks ahead
OLDEST = timedelta(hours=24)  # how far a tick looks back
EARLY_BEAT = timedelta(minutes=5)  # how far a beat's clock may be ahead of the database's
DAY = timedelta(days=1)


@dataclass(frozen=True)
class BriefTime:
    """When a user wants his brief: a row of `user_brief_preferences` with the zone of `users`.

    `custom` counts as daily; `day_of_week` (0 = Sunday) matters to `weekly` alone.
    """

    frequency: Frequency = "daily"
    time_of_day: time = time(9)
    day_of_week: int = 1
    timezone: str | None = "UTC"


@dataclass(frozen=True, order=True)
class Run:
    """One run: its instant, and the local date it is for."""

    at: datetime
    date: date


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def zone_or_utc(name: str | None) -> tzinfo:
    """The zone of that IANA name. An unknown one counts as UTC: its user gets his brief, and nobody else's waits."""
    return ZoneInfo(name) if name in _zone_names() else UTC


def local_to_utc(local: datetime, zone: tzinfo) -> datetime:
    """The instant at which clocks in `zone` show a local time (RFC 5545).

    Skipped by a clock change: moved forward by the length of the gap. Shown twice: the first time.
    """
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def runs_between(wanted: BriefTime, after: datetime, until: datetime) -> list[Run]:
    """The runs after one instant and up to another, the second included, in order.

    A run that a clock change moves over midnight keeps the date it is for. Two dates that meet in one instant, where a zone
    skips a whole day, are one run: the later one's.
    """
    zone = zone_or_utc(wanted.timezone)
    days = _days(after.astimezone(zone).date() - DAY, until.astimezone(zone).date() + DAY)
    latest: dict[datetime, date] = {}
    for day in days:
        if wanted.frequency == "weekly" and day.isoweekday() % 7 != wanted.day_of_week:
            continue
        at = local_to_utc(datetime.combine(day, wanted.time_of_day), zone)
        if after < at <= until:
            latest[at] = day
    return sorted(Run(at, day) for at, day in latest.items())


def next_brief_run(wanted: BriefTime, now: datetime) -> datetime:
    """The next run strictly after `now`."""
    horizon = timedelta(days=9 if wanted.frequency == "weekly" else 3)  # a week or a day, and room for a skipped day
    return runs_between(wanted, now, now + horizon)[0].at


def engagement_step(days_away: int) -> int | None:
    """What a user gets who was last seen so many days ago.

    0: the normal brief. 4, 10, 31, 62, 93…: a re-engagement brief, once for each step. None: nothing. Ranges, so that a
    missed day loses no step.
    """
    if days_away <= 2:
        return 0
    if days_away < 4:
        return None
    if days_away < 10:
        return 4
    if days_away < 31:
        return 10
    return days_away // 31 * 31


def days_away(last_visit: datetime, brief_date: date, zone: tzinfo) -> int:
    """Local calendar days from a visit to the date of a brief; never negative."""
    return max(0, (brief_date - last_visit.astimezone(zone).date()).days)


def local_dates(zone: tzinfo, now: datetime, before: datetime) -> list[Run]:
    """The local dates that are not over at `now` and begin before an instant, with the instant each begins.

    A date that the zone skips never begins.
    """
    found = []
    for day in _days(now.astimezone(zone).date(), before.astimezone(zone).date() + DAY):
        begins = local_to_utc(datetime.combine(day, time()), zone)
        if begins < before and begins.astimezone(zone).date() == day:
            found.append(Run(begins, day))
    return found


def next_hour(now: datetime) -> datetime:
    """The next full hour, strictly after `now`: when briefs are checked next."""
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def next_midnight(now: datetime) -> datetime:
    """The next midnight UTC, strictly after `now`: when event reminders are checked next."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + DAY


def next_daily(now: datetime, at: time) -> datetime:
    """The next time clocks in UTC show `at`, strictly after `now`: when upkeep runs next."""
    today = datetime.combine(now.astimezone(UTC).date(), at, tzinfo=UTC)
    return today if today > now else today + DAY


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))
