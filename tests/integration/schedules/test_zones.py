"""The rule in SQL against the rule in Python, over a whole year of ticks: nothing missed, doubled, or at a wrong local hour.

A sample of tricky zones in `make test`, every zone in `make test-scheduler`. Python and Postgres each bring their own zone
data: a zone that differs between them is listed and left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, text

from app.features.schedules.rules import BriefTime, local_dates, next_brief_run, runs_between
from tests.integration.schedules.zones import changes, same_in_both, schedules, utc, wanted_zones

HOUR = timedelta(hours=1)
YEAR = (utc(2025, 1, 1), utc(2026, 1, 1))  # gone by: its rules change no more
LONG = pytest.mark.timeout(3600)  # with every zone
# Whole days skipped at the date line, and half-hour shifts for good.
ODD_SPANS = {
    "Pacific/Apia": (utc(2011, 9, 20), utc(2012, 4, 5)),
    "Pacific/Fakaofo": (utc(2011, 12, 20), utc(2012, 1, 10)),
    "Pacific/Kwajalein": (utc(1993, 8, 10), utc(1993, 9, 1)),
    "Pacific/Kiritimati": (utc(1994, 12, 20), utc(1995, 1, 10)),
    "Antarctica/Vostok": (utc(1994, 1, 20), utc(1994, 11, 10)),
    "America/Caracas": (utc(2007, 12, 1), utc(2007, 12, 20)),
    "Asia/Pyongyang": (utc(2015, 8, 1), utc(2015, 8, 31)),
    "Europe/Istanbul": (utc(2016, 3, 1), utc(2016, 12, 1)),
}

TICKS = text("""
    select k.id, r.brief_date, r.run_at
    from unnest(cast(:ids as int[]), cast(:frequencies as text[]), cast(:times as time[]), cast(:days as int[]),
                cast(:zones as text[])) as k (id, frequency, time_of_day, day_of_week, zone)
    cross join generate_series(cast(:start as timestamptz), cast(:end as timestamptz) - interval '1 hour', interval '1 hour') tick
    cross join lateral brief_runs(k.frequency, k.time_of_day, k.day_of_week, k.zone, tick, tick + interval '1 hour') r
""")


@pytest.fixture
def connection(database) -> Iterator[Connection]:
    with database.engine.connect() as opened:
        yield opened


def columns(tried: list[BriefTime]) -> dict[str, list]:
    return {
        "ids": list(range(len(tried))),
        "frequencies": [wanted.frequency for wanted in tried],
        "times": [wanted.time_of_day for wanted in tried],
        "days": [wanted.day_of_week for wanted in tried],
        "zones": [wanted.timezone for wanted in tried],
    }


def is_right_hour(wanted: BriefTime, day: date, at: datetime) -> bool:
    """Whether clocks show the wanted time on that day, for the first time; or, where they never do, later by the gap."""
    zone = ZoneInfo(wanted.timezone)
    local = at.astimezone(zone)
    asked = datetime.combine(day, wanted.time_of_day)
    if local.replace(tzinfo=None) == asked:
        return local.fold == 0
    gaps = [c for c in changes(wanted.timezone, at - timedelta(days=2), at + timedelta(days=2)) if c.jump > timedelta(0)]
    return any(c.local <= asked < c.local + c.jump and local.replace(tzinfo=None) == asked + c.jump for c in gaps)


def count_faults(connection: Connection, tried: list[BriefTime], start: datetime, end: datetime) -> Counter:
    """Run hourly ticks in SQL over a span and count what they did to each schedule."""
    count = Counter(missed=0, doubled=0, wrong_hour=0, not_asked_for=0)
    found: dict[int, list[tuple[datetime, date]]] = {}
    for number, day, at in connection.execute(TICKS, {**columns(tried), "start": start, "end": end}):
        found.setdefault(number, []).append((at, day))
    for number, wanted in enumerate(tried):
        ran = found.get(number, [])
        expected = {(run.at, run.date) for run in runs_between(wanted, start, end)}
        count["runs"] += len(ran)
        count["missed"] += len(expected - set(ran))
        count["not_asked_for"] += len(set(ran) - expected)
        count["doubled"] += len(ran) - len({day for _, day in ran}) + len(ran) - len({at for at, _ in ran})
        count["wrong_hour"] += sum(not is_right_hour(wanted, day, at) for at, day in ran)
        # The dates themselves, counted without either rule: every local date of the span has its run.
        zone = ZoneInfo(wanted.timezone)
        first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
        days = [first + timedelta(days=n) for n in range(1, (last - first).days)]
        if wanted.frequency == "weekly":
            days = [day for day in days if day.isoweekday() % 7 == wanted.day_of_week]
        skipped = [d for d in days if not exists(d, wanted.timezone)]
        count["missed"] += len(set(days) - {day for _, day in ran} - set(skipped))
    return count


def exists(day: date, name: str) -> bool:
    """Whether the zone has that local date at all."""
    noon = datetime.combine(day, time(12), ZoneInfo(name))
    return noon.astimezone(utc(2000, 1, 1).tzinfo).astimezone(ZoneInfo(name)).date() == day


def assert_faultless(count: Counter) -> None:
    assert count["runs"] > 0
    assert {fault: count[fault] for fault in ("missed", "doubled", "wrong_hour", "not_asked_for")} == {
        "missed": 0, "doubled": 0, "wrong_hour": 0, "not_asked_for": 0,
    }  # fmt: skip


@LONG
def test_a_year_of_hourly_ticks(connection: Connection, capsys: pytest.CaptureFixture) -> None:
    zones, different = same_in_both(connection, wanted_zones(), *YEAR)
    assert len(different) <= len(wanted_zones()) // 20, f"the two zone databases are too far apart: {different}"

    count, tried = Counter(), 0
    for name in zones:
        in_zone = schedules(name, *YEAR)
        tried += len(in_zone)
        count.update(count_faults(connection, in_zone, *YEAR))

    with capsys.disabled():
        ticks = int((YEAR[1] - YEAR[0]) / HOUR)
        print(
            f"\n{len(zones)} zones, {tried} schedules, {ticks} ticks each, {count['runs']} runs: {count['missed']} missed, "
            f"{count['doubled']} doubled, {count['wrong_hour']} at a wrong local hour, {count['not_asked_for']} not asked for; "
            f"{len(different)} zones left out whose data differ {different or ''}"
        )
    assert_faultless(count)


@pytest.mark.parametrize("name", ODD_SPANS)
def test_the_oddest_clock_changes(connection: Connection, name: str) -> None:
    start, end = ODD_SPANS[name]
    assert same_in_both(connection, [name], start, end) == ([name], [])
    assert_faultless(count_faults(connection, schedules(name, start, end), start, end))


@LONG
def test_next_run_is_the_same_in_both(connection: Connection) -> None:
    """Around every clock change, from instants before, at and after the runs themselves."""
    tried, instants = [], []
    for name in same_in_both(connection, wanted_zones(), *YEAR)[0]:
        for wanted in schedules(name, *YEAR):
            around = [change.at for change in changes(name, *YEAR)] or [utc(2025, 6, 1)]
            for middle in around[:2]:
                at = next_brief_run(wanted, middle - timedelta(days=1))
                for instant in (at - timedelta(microseconds=1), at, middle, middle + timedelta(hours=3)):
                    tried.append(wanted)
                    instants.append(instant)
    answers = connection.execute(
        text("""
            select next_brief_run(k.frequency, k.time_of_day, k.day_of_week, k.zone, k.at)
            from unnest(cast(:frequencies as text[]), cast(:times as time[]), cast(:days as int[]), cast(:zones as text[]),
                        cast(:instants as timestamptz[])) as k (frequency, time_of_day, day_of_week, zone, at)
        """),
        {**columns(tried), "instants": instants},
    ).scalars()
    wrong = [
        (wanted, at, answer)
        for wanted, at, answer in zip(tried, instants, answers, strict=True)
        if answer != next_brief_run(wanted, at)
    ]
    assert wrong == []


@LONG
def test_a_year_of_midnights_begins_every_local_date_once(connection: Connection, capsys: pytest.CaptureFixture) -> None:
    """The windows of the reminders' tick: from the end of the last to the next midnight UTC."""
    zones, _ = same_in_both(connection, wanted_zones(), *YEAR)
    rows = connection.execute(
        text("""
            select z.name, d.local_date, d.begins_at
            from unnest(cast(:zones as text[])) as z (name)
            cross join generate_series(cast(:start as timestamptz), cast(:end as timestamptz) - interval '24 hours',
                                       interval '24 hours') tick
            cross join lateral local_dates(z.name, tick, tick, tick + interval '24 hours') d
        """),
        {"zones": zones, "start": YEAR[0], "end": YEAR[1]},
    )
    found: dict[str, list[tuple[datetime, date]]] = {name: [] for name in zones}
    for name, day, at in rows:
        found[name].append((at, day))

    count = Counter(missed=0, doubled=0, wrong_begin=0)
    for name in zones:
        zone = ZoneInfo(name)
        expected = {(run.at, run.date) for run in local_dates(zone, *YEAR) if run.at >= YEAR[0]}
        count["dates"] += len(found[name])
        count["missed"] += len(expected - set(found[name]))
        count["doubled"] += len(found[name]) - len({day for _, day in found[name]})
        for at, day in found[name]:
            begins = at.astimezone(zone).date() == day and (at - timedelta(seconds=1)).astimezone(zone).date() < day
            count["wrong_begin"] += not begins
    with capsys.disabled():
        print(f"\n{len(zones)} zones, {count['dates']} local dates: {count['missed']} missed, {count['doubled']} doubled, "
              f"{count['wrong_begin']} at a wrong local hour")  # fmt: skip
    assert (count["missed"], count["doubled"], count["wrong_begin"]) == (0, 0, 0)
