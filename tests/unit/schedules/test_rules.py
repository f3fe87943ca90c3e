"""When next: local time, gaps and folds, engagement, day boundaries."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.features.schedules.rules import (
    BriefTime,
    Run,
    days_away,
    engagement_step,
    local_dates,
    local_to_utc,
    next_brief_run,
    next_hour,
    next_midnight,
    runs_between,
    zone_or_utc,
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    "zone, local, instant",
    [
        ("UTC", (2026, 3, 8, 2, 30), (2026, 3, 8, 2, 30)),
        ("America/New_York", (2026, 3, 8, 1, 59), (2026, 3, 8, 6, 59)),
        ("America/New_York", (2026, 3, 8, 2, 30), (2026, 3, 8, 7, 30)),  # skipped: 03:30
        ("America/New_York", (2026, 11, 1, 1, 30), (2026, 11, 1, 5, 30)),  # twice: the first
        ("Australia/Lord_Howe", (2026, 4, 5, 1, 45), (2026, 4, 4, 14, 45)),  # half an hour is repeated
        ("Australia/Lord_Howe", (2026, 10, 4, 2, 15), (2026, 10, 3, 15, 45)),  # half an hour is skipped: 02:45
        ("Pacific/Apia", (2011, 12, 30, 9, 0), (2011, 12, 30, 19, 0)),  # a day is skipped: 31 December, 09:00
        ("Africa/Cairo", (2025, 4, 25, 0, 0), (2025, 4, 24, 22, 0)),  # midnight is skipped: 01:00
    ],
)
def test_local_times_around_clock_changes(zone: str, local: tuple[int, ...], instant: tuple[int, ...]) -> None:
    assert local_to_utc(datetime(*local), ZoneInfo(zone)) == utc(*instant)


def test_the_next_run_is_strictly_later() -> None:
    wanted = BriefTime("daily", time(9), timezone="Europe/Berlin")
    assert next_brief_run(wanted, utc(2026, 7, 1, 6, 59)) == utc(2026, 7, 1, 7)
    assert next_brief_run(wanted, utc(2026, 7, 1, 7)) == utc(2026, 7, 2, 7)


def test_weekly_counts_from_sunday_and_custom_is_daily() -> None:
    monday = utc(2026, 3, 9, 12)
    assert next_brief_run(BriefTime("weekly", time(9), 0), monday) == utc(2026, 3, 15, 9)
    assert next_brief_run(BriefTime("weekly", time(9), 1), monday) == utc(2026, 3, 16, 9)
    assert next_brief_run(BriefTime("weekly", time(13), 1), monday) == utc(2026, 3, 9, 13)
    assert next_brief_run(BriefTime("custom", time(9), 0), monday) == utc(2026, 3, 10, 9)


def test_a_run_moved_over_midnight_keeps_its_date() -> None:
    runs = runs_between(BriefTime("daily", time(23, 30), timezone="America/Nuuk"), utc(2025, 3, 29, 12), utc(2025, 3, 31, 12))
    assert runs == [Run(utc(2025, 3, 30, 1, 30), date(2025, 3, 29)), Run(utc(2025, 3, 31, 0, 30), date(2025, 3, 30))]


def test_two_dates_in_one_instant_are_one_run() -> None:
    runs = runs_between(BriefTime("daily", time(9), timezone="Pacific/Apia"), utc(2011, 12, 29), utc(2012, 1, 1))
    assert [run.date for run in runs] == [date(2011, 12, 29), date(2011, 12, 31), date(2012, 1, 1)]


@pytest.mark.parametrize("name", [None, "", "UTC+3", "Mars/Olympus", "../../etc/passwd", "europe/berlin "])
def test_an_unknown_zone_is_utc(name: str | None) -> None:
    assert zone_or_utc(name) is UTC


@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "UTC"]),
    st.times(),
    st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1)),
    st.integers(1, 40),
    st.integers(1, 200),
)
def test_windows_that_meet_lose_and_double_nothing(
    name: str, at: time, start: datetime, days: int, minutes: int
) -> None:
    """However a span is cut into windows, the runs are the same."""
    wanted = BriefTime("daily", at, timezone=name)
    begin = start.replace(tzinfo=UTC)
    end = begin + timedelta(days=days)
    step = timedelta(hours=5, minutes=minutes)
    cuts = [begin + n * step for n in range(int((end - begin) / step) + 1)] + [end]
    pieces = [run for a, b in pairwise(cuts) for run in runs_between(wanted, a, b)]
    whole = runs_between(wanted, begin, end)
    assert [run.at for run in pieces] == [run.at for run in whole]


STEP_OF_DAY = {0: 0, 1: 0, 2: 0, 3: None, 4: 4, 9: 4, 10: 10, 30: 10, 31: 31, 61: 31, 62: 62, 92: 62, 93: 93, 400: 372}


@pytest.mark.parametrize("days, step", STEP_OF_DAY.items())
def test_engagement_is_a_matter_of_ranges(days: int, step: int | None) -> None:
    assert engagement_step(days) == step


def test_days_away_are_local_calendar_days() -> None:
    honolulu = ZoneInfo("Pacific/Honolulu")
    assert days_away(utc(2026, 1, 6, 9, 30), date(2026, 1, 9), honolulu) == 4  # seen on 5 January, 23:30
    assert days_away(utc(2026, 1, 6, 10, 30), date(2026, 1, 9), honolulu) == 3
    assert days_away(utc(2026, 1, 20), date(2026, 1, 9), honolulu) == 0  # a clock that is ahead


def test_local_dates_of_a_day_in_utc() -> None:
    midnight = utc(2026, 3, 10)
    tomorrow = midnight + timedelta(days=1)
    assert local_dates(ZoneInfo("Asia/Tokyo"), midnight, tomorrow) == [
        Run(utc(2026, 3, 9, 15), date(2026, 3, 10)),
        Run(utc(2026, 3, 10, 15), date(2026, 3, 11)),
    ]
    assert [run.date for run in local_dates(ZoneInfo("Pacific/Pago_Pago"), midnight, tomorrow)] == [
        date(2026, 3, 9),
        date(2026, 3, 10),
    ]
    assert [run.date for run in local_dates(UTC, midnight, tomorrow)] == [date(2026, 3, 10)]


def test_a_skipped_date_never_begins() -> None:
    found = local_dates(ZoneInfo("Pacific/Apia"), utc(2011, 12, 29, 12), utc(2012, 1, 1))
    assert [run.date.day for run in found] == [29, 31, 1]


def test_the_next_ticks() -> None:
    assert next_hour(utc(2026, 3, 10, 8)) == utc(2026, 3, 10, 9)
    assert next_hour(utc(2026, 3, 10, 8, 59, 59)) == utc(2026, 3, 10, 9)
    assert next_midnight(utc(2026, 3, 10)) == utc(2026, 3, 11)
