"""A year of events, reminded of by the days that the midnight tick queues: nothing missed, doubled, or at a wrong local hour.

The dates and the times are SQL's (`local_dates`, `sms_reminder_at`), the bounds of a date and what is expected are Python's, as
in a run of `schedule_daily_sms`. A sample of tricky zones in `make test`, every zone in `make test-scheduler`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import cycle, pairwise
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, text

from app.features.briefs.rules import local_day
from app.features.sms.rules import day_span, is_quiet, reminder_at
from tests.integration.schedules.test_zones import HOUR, LONG, ODD_SPANS, YEAR
from tests.integration.schedules.zones import changes, same_in_both, wanted_zones
from tests.integration.sms.test_reminder_times import HOURS, LEADS, SQL
from tests.support.servers import Database

DAY = timedelta(days=1)
DATES = text("""
    select d.local_date, d.begins_at
    from generate_series(cast(:start as timestamptz), cast(:end as timestamptz) - interval '24 hours', interval '24 hours') tick
    cross join lateral local_dates(:zone, tick, tick, tick + interval '24 hours') d
    order by d.begins_at
""")
FAULTS = ("missed", "doubled", "wrong_hour", "wrong_bounds")
Wish = tuple[timedelta, time, time]  # lead time, and where quiet hours begin and end


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.engine.connect() as opened:
        yield opened


def starts(zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Events at every local hour of the span, and every 35 minutes around each clock change, at the change itself as well."""
    found = {start + n * 25 * HOUR for n in range(int((end - start) / (25 * HOUR)) + 1)}
    for change in changes(zone, start, end):
        found |= {change.at + n * timedelta(minutes=35) for n in range(-45, 46)}
    # The first and last days of the span have neighbours that no tick in it plans.
    return sorted(at for at in found if start + 3 * DAY <= at < end - 3 * DAY)


def is_right_hour(start: datetime, wish: Wish, zone: ZoneInfo, at: datetime) -> bool:
    """Whether that is the lead time before the event or, where that is quiet, the next end of quiet hours, by the clock."""
    lead, begins, ends = wish
    local = at.astimezone(zone)
    if is_quiet(local.time(), begins, ends) or not start - lead <= at <= start:
        return False
    wanted = (start - lead).astimezone(zone)
    if not is_quiet(wanted.time(), begins, ends):
        return at == start - lead
    asked = datetime.combine(wanted.date() + (timedelta() if wanted.time() < ends else DAY), ends)
    shown = local.replace(tzinfo=None)
    gaps = [c for c in changes(zone.key, at - 2 * DAY, at + 2 * DAY) if c.jump > timedelta(0)]
    return shown == asked or any(c.local <= asked < c.local + c.jump and shown == asked + c.jump for c in gaps)


def count_faults(connection: Connection, name: str, start: datetime, end: datetime) -> Counter:
    """Plan each date of a span when it begins, and count what that does to each event."""
    zone = ZoneInfo(name)
    dates: list[tuple[date, datetime]] = [tuple(row) for row in connection.execute(DATES, {"zone": name, "start": start, "end": end})]
    count = Counter(dict.fromkeys(FAULTS, 0), dates=len(dates))
    # Where a date begins and ends, for SMS, for briefs, and in SQL. One that a zone skips begins nowhere.
    for (day, begins), (_, ends) in pairwise(dates):
        in_briefs = local_day(day, zone)
        count["wrong_bounds"] += not (day_span(day, zone) == (in_briefs.start, in_briefs.end) == (begins, ends))

    wishes = cycle([(timedelta(minutes=lead), *hours) for lead in LEADS for hours in HOURS])
    events = list(zip(starts(name, start, end), wishes, strict=False))
    spans = [(begins, day_span(day, zone)[1]) for day, begins in dates]
    plans = []  # event, wish, where the date begins, whether the event is on the date
    first = 0
    for at, wish in events:
        while spans[first][1] + DAY <= at:
            first += 1
        for begins, ends in spans[first : first + 5]:
            if begins <= at < ends + wish[0]:
                plans.append((at, wish, begins, at < ends))
    answers = connection.execute(SQL, {
        "starts": [at for at, *_ in plans], "leads": [int(wish[0].total_seconds()) // 60 for _, wish, *_ in plans],
        "froms": [wish[1] for _, wish, *_ in plans], "untils": [wish[2] for _, wish, *_ in plans],
        "zones": [name] * len(plans), "not_before": [begins for _, _, begins, _ in plans],
    })  # fmt: skip
    planned: dict[datetime, list[tuple[datetime, bool, datetime | None]]] = {}
    for (at, _, begins, own), (_, answer) in zip(plans, answers, strict=True):
        planned.setdefault(at, []).append((begins, own, answer))

    for at, wish in events:
        days = planned.get(at, [])
        on_dates = sum(own for _, own, _ in days)
        count["missed"] += on_dates == 0
        count["doubled"] += on_dates > 1
        wanted = reminder_at(at, *wish, zone, None)
        answer = next((answer for *_, answer in days if answer is not None), None)
        count["missed"] += wanted is not None and answer is None
        if answer is None:
            continue
        count["reminders"] += 1
        count["wrong_hour"] += answer != wanted or not is_right_hour(at, wish, zone, answer)
        # A later date's plan finds the reminder by its event: one that still waits must not be moved by it.
        count["doubled"] += any(begins < answer != again for begins, _, again in days)
    return count


def assert_faultless(count: Counter) -> None:
    assert count["reminders"] > 0
    assert {fault: count[fault] for fault in FAULTS} == dict.fromkeys(FAULTS, 0)


@LONG
def test_a_year_of_events(connection: Connection, capsys: pytest.CaptureFixture) -> None:
    zones, _ = same_in_both(connection, wanted_zones(), *YEAR)
    count: Counter = Counter()
    for name in zones:
        count.update(count_faults(connection, name, *YEAR))
    with capsys.disabled():
        print(
            f"\n{len(zones)} zones, {count['dates']} local dates, {count['reminders']} reminders: {count['missed']} missed, "
            f"{count['doubled']} doubled, {count['wrong_hour']} at a wrong local hour; "
            f"{count['wrong_bounds']} dates that begin or end elsewhere"
        )
    assert_faultless(count)


@pytest.mark.parametrize("name", ODD_SPANS)
def test_events_around_the_oddest_clock_changes(connection: Connection, name: str) -> None:
    assert_faultless(count_faults(connection, name, *ODD_SPANS[name]))
