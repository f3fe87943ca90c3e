"""Recurring events: rules, extra and excluded dates, changed occurrences, clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import icalendar
import pytest
import recurring_ical_events
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.features.calendar.models import Window
from app.features.calendar.parsing import read_events
from app.formats.ics import read_entries
from app.formats.problems import Notes
from app.formats.recurrence import expand, parse_rule
from tests.support.calendars import NOW, calendar, events, occurrences, starts

DAILY = (
    "UID:a\nSUMMARY:Stand-up\nDTSTART;TZID=Europe/Berlin:20260202T090000\nDTEND;TZID=Europe/Berlin:20260202T091500\n"
)


def daily(extra: str) -> str:
    return DAILY + extra


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=DAILY;COUNT=3", ["02-02", "02-03", "02-04"]),
        ("FREQ=DAILY;INTERVAL=10;UNTIL=20260222T080000Z", ["02-02", "02-12", "02-22"]),
        ("FREQ=DAILY;INTERVAL=10;UNTIL=20260222T075959Z", ["02-02", "02-12"]),
        ("FREQ=DAILY;UNTIL=20260204", ["02-02", "02-03", "02-04"]),  # a day as end includes that day
        ("FREQ=DAILY;UNTIL=20260203T090000", ["02-02", "02-03"]),  # a local time as end
        ("FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4", ["02-02", "02-04", "02-09", "02-11"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=MO;COUNT=4", ["02-02", "02-08", "02-16", "02-22"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU;COUNT=4", ["02-02", "02-15", "02-16", "03-01"]),
        (
            "FREQ=MONTHLY;BYDAY=-1FR;COUNT=2",
            ["02-02", "02-27", "03-27"],
        ),  # DTSTART counts even where the rule has it not
        ("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=2", ["02-02", "03-31", "05-31"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1;COUNT=2", ["02-02", "03-02"]),
        ("FREQ=DAILY;COUNT=-1;UNTIL=20260203", ["02-02", "02-03"]),  # "no end", as some programs write it
        ("freq=daily;count=2", ["02-02", "02-03"]),
    ],
)
def test_rule(rule: str, days: list[str]):
    assert [start[5:10] for start in starts(calendar(daily(f"RRULE:{rule}")))] == days


def test_extra_and_excluded_dates():
    text = calendar(
        daily(
            "RRULE:FREQ=DAILY;COUNT=5\nEXDATE;TZID=Europe/Berlin:20260203T090000,20260204T090000\nEXDATE:20260205T080000Z\n"
            "RDATE;TZID=Europe/Berlin:20260301T100000\nRDATE;VALUE=PERIOD:20260302T100000Z/PT2H"
        )
    )
    assert starts(text) == ["2026-02-02 09:00", "2026-02-06 09:00", "2026-03-01 10:00", "2026-03-02 11:00"]
    assert occurrences(text)[-1].end_time == datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_excluding_a_day_excludes_its_occurrence():
    assert starts(calendar(daily("RRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20260203"))) == [
        "2026-02-02 09:00",
        "2026-02-04 09:00",
    ]


def test_excluding_one_of_two_a_day_leaves_the_other():
    """10:00 in Berlin is 9:00 UTC: instants must not be mistaken for wall-clock times."""
    text = calendar(
        "UID:a\nDTSTART;TZID=Europe/Berlin:20260301T100000\nRRULE:FREQ=DAILY;BYHOUR=10,11;COUNT=4\n"
        "EXDATE;TZID=Europe/Berlin:20260302T100000"
    )
    assert starts(text) == ["2026-03-01 10:00", "2026-03-01 11:00", "2026-03-02 11:00"]


def test_changed_moved_and_cancelled_occurrences():
    master = daily("RRULE:FREQ=DAILY;COUNT=5\nLOCATION:Room 1")
    moved = (
        "UID:a\nRECURRENCE-ID;TZID=Europe/Berlin:20260203T090000\nSUMMARY:Later\nDTSTART;TZID=Europe/Berlin:20260203T150000\n"
        "DTEND;TZID=Europe/Berlin:20260203T160000"
    )
    renamed = "UID:a\nRECURRENCE-ID:20260204T080000Z\nSUMMARY:Renamed\nDTSTART:20260204T080000Z\nDURATION:PT1H"
    cancelled = "UID:a\nRECURRENCE-ID;TZID=Europe/Berlin:20260205T090000\nSTATUS:CANCELLED\nDTSTART;TZID=Europe/Berlin:20260205T090000"
    found = occurrences(calendar(moved, renamed, master, cancelled))
    assert [(f"{o.start_time:%d %H:%M}", o.title, o.status) for o in found] == [
        ("02 08:00", "Stand-up", "confirmed"),
        ("03 14:00", "Later", "confirmed"),
        ("04 08:00", "Renamed", "confirmed"),
        ("05 08:00", "(no title)", "cancelled"),
        ("06 08:00", "Stand-up", "confirmed"),
    ]
    assert [o.external_id for o in found][1] == "a/20260203T080000Z"  # the original start names the occurrence


def test_the_newer_of_two_changes_of_one_occurrence_holds():
    master = daily("RRULE:FREQ=DAILY;COUNT=2")
    change = "UID:a\nRECURRENCE-ID:20260203T080000Z\nDTSTART:20260203T080000Z\nSUMMARY:{}\nSEQUENCE:{}"
    found = occurrences(calendar(change.format("new", 2), master, change.format("old", 1)))
    assert [o.title for o in found] == ["Stand-up", "new"]


def test_this_and_all_future_occurrences():
    master = daily("RRULE:FREQ=WEEKLY;COUNT=12")
    onward = (
        "UID:a\nRECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260216T090000\nSUMMARY:Moved\n"
        "DTSTART;TZID=Europe/Berlin:20260217T103000\nDTEND;TZID=Europe/Berlin:20260217T113000"
    )
    found = starts(calendar(master, onward))
    assert found[:4] == ["2026-02-02 09:00", "2026-02-09 09:00", "2026-02-17 10:30", "2026-02-24 10:30"]
    assert found[-1] == "2026-04-21 10:30"  # the wall clock holds over the change of clocks
    assert {o.title for o in occurrences(calendar(master, onward))[2:]} == {"Moved"}


def test_a_cancelled_series_is_cancelled_altogether():
    assert {o.status for o in occurrences(calendar(daily("RRULE:FREQ=DAILY;COUNT=3\nSTATUS:CANCELLED")))} == {
        "cancelled"
    }
    assert {o.status for o in occurrences(calendar(daily("RRULE:FREQ=DAILY;COUNT=3"), head="METHOD:CANCEL"))} == {
        "cancelled"
    }


@pytest.mark.parametrize(
    ("zone", "month", "expected"),
    [
        # Skipped: forward by the length of the gap, as the contract has it. The wall clock holds before and after.
        ("Europe/Berlin", "202603", ["2026-03-22 02:30", "2026-03-29 03:30", "2026-04-05 02:30"]),
        ("America/New_York", "202603", ["2026-03-01 02:30", "2026-03-08 03:30", "2026-03-15 02:30"]),
        # Repeated: once, at the first.
        ("Europe/Berlin", "202610", ["2026-10-18 02:30", "2026-10-25 02:30", "2026-11-01 02:30"]),
    ],
)
def test_weekly_at_half_past_two_over_a_change_of_clocks(zone: str, month: str, expected: list[str]):
    first = expected[0].replace("-", "")[:8]
    text = calendar(f"UID:a\nDTSTART;TZID={zone}:{first}T023000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3")
    assert starts(text, zone) == expected
    assert all(o.end_time - o.start_time == timedelta(hours=1) for o in occurrences(text, zone))
    if month == "202610":
        assert occurrences(text, zone)[1].start_time == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_an_end_is_exact_and_a_duration_in_days_is_on_the_wall_clock():
    exact = "UID:a\nDTSTART;TZID=Europe/Berlin:20260321T220000\nDTEND;TZID=Europe/Berlin:20260322T060000\nRRULE:FREQ=WEEKLY;COUNT=2"
    nominal = "UID:b\nDTSTART;TZID=Europe/Berlin:20260328T120000\nDURATION:P1D"
    ends = [o.end_time for o in occurrences(calendar(exact))]
    assert ends == [datetime(2026, 3, 22, 5, tzinfo=UTC), datetime(2026, 3, 29, 5, tzinfo=UTC)]  # eight hours each
    assert occurrences(calendar(nominal))[0].end_time == datetime(2026, 3, 29, 10, tzinfo=UTC)  # noon to noon


def test_endless_series_stay_in_the_window():
    found = starts(calendar(daily("RRULE:FREQ=DAILY")))
    assert found[0] == "2026-02-02 09:00"
    assert found[-1] == "2027-03-04 09:00"
    old = starts(calendar(daily("RRULE:FREQ=DAILY").replace("20260202", "19990202")))
    assert (old[0], old[-1]) == ("2025-02-01 09:00", "2027-03-04 09:00")


@pytest.mark.parametrize("start", ["20260202T090000Z", "19000101T000000Z"])
@pytest.mark.parametrize(
    "rule", ["FREQ=SECONDLY", "FREQ=SECONDLY;INTERVAL=7", "FREQ=MINUTELY", "FREQ=SECONDLY;BYHOUR=9"]
)
def test_a_flood_is_limited_and_said(rule: str, start: str):
    found, notes = events(calendar(f"UID:a\nDTSTART:{start}\nRRULE:{rule}"))
    assert 9_000 < len(found[0].occurrences) <= 10_001
    assert "only the first 10,000 occurrences" in notes.warnings[0]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL is not a number above 0"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL is not a number above 0"),
        ("FREQ=DAILY;COUNT=0", "COUNT is not a number above 0"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "it never happens"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300", "it never happens"),
        ("FREQ=MINUTELY;INTERVAL=7;BYSETPOS=5", "BYSETPOS does not go with MINUTELY"),
        ("FREQ=DAILY;BYYEARDAY=100", "BYYEARDAY does not go with DAILY"),
        ("FREQ=MONTHLY;BYWEEKNO=20", "BYWEEKNO does not go with MONTHLY"),
        ("FREQ=SECONDLY;COUNT=999999999;BYHOUR=3", "counting from 1900-01-01 on takes too long"),
        ("FREQ=DAILY;BYEASTER=1", "BYEASTER is unknown"),
        ("FREQ=DAILY;BYMONTHDAY=40", "BYMONTHDAY is out of range"),
        ("RSCALE=HEBREW;FREQ=YEARLY", "only the Gregorian calendar is known"),
    ],
)
def test_rules_that_cannot_be_used(rule: str, reason: str):
    found, notes = events(
        calendar(f"UID:a\nDTSTART:19000101T090000Z\nRRULE:{rule}", daily("UID:b").replace("UID:a\n", ""))
    )
    assert len(found) == 1  # the rest is imported
    assert str(notes.problems[0]) == f"entry 1 (UID a, line 3): RRULE {rule} cannot be used: {reason}"


def test_a_file_has_a_limit_too():
    notes = Notes()
    entries = read_entries(calendar(*(daily("RRULE:FREQ=DAILY").replace("UID:a", f"UID:{n}") for n in range(4))), notes)
    found = read_events(entries, "UTC", Window.around(NOW), notes, max_occurrences=500)
    assert [event.external_id for event in found] == ["0", "1"]
    assert str(notes.problems[0]) == "entry 3 (UID 2, line 17): is left out: the file already holds 500 occurrences"


def test_a_rule_that_never_matches_again_ends():
    rule = parse_rule("FREQ=HOURLY;INTERVAL=5;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;BYHOUR=3")
    assert expand(rule, datetime(2026, 1, 1, 3), datetime(2026, 1, 1), datetime(2027, 1, 1), UTC) == ([], False)


_numbers = st.integers(min_value=1, max_value=4)
_rules = st.builds(
    lambda freq, interval, end, by: ";".join(filter(None, (f"FREQ={freq}", f"INTERVAL={interval}", end, by))),
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    _numbers,
    st.sampled_from(["", "COUNT=7", "UNTIL=20260801T120000Z"]),
    st.sampled_from(["", "BYDAY=MO,TH", "BYMONTHDAY=1,15", "BYMONTH=3,10", "BYDAY=SU;BYMONTH=3", "WKST=SU"]),
)


@settings(max_examples=60, deadline=None)
@given(
    rule=_rules,
    start=st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31)).map(lambda d: d.replace(second=0, microsecond=0)),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_an_independent_reading_agrees(rule: str, start: datetime, zone: str):
    """The library recurring-ical-events is the second opinion. (It drops a start that lies behind UNTIL; for us DTSTART counts.)"""
    assume("UNTIL" not in rule or start < datetime(2026, 7, 31))
    text = calendar(f"UID:a\nSUMMARY:x\nDTSTART;TZID={zone}:{start:%Y%m%dT%H%M%S}\nDURATION:PT30M\nRRULE:{rule}")
    first, last = datetime(2025, 3, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)
    theirs = recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between(first, last)
    expected = {item["DTSTART"].dt.astimezone(UTC) for item in theirs}
    ours = {o.start_time for o in occurrences(text) if o.end_time > first and o.start_time < last}
    assert ours == expected
