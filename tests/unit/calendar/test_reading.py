"""Single events: times and zones, whole days, ids, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.features.calendar.models import Window
from app.features.calendar.parsing import read_events
from app.formats.ics import read_entries
from app.formats.problems import ImportProblem, Notes
from app.formats.text import decode
from tests.support.calendars import BERLIN, NOW, calendar, events, occurrences, starts

VIENNA_2 = """BEGIN:VTIMEZONE
TZID:{}
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+{}
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+{}
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE"""


@pytest.mark.parametrize(
    ("dtstart", "zone"),
    [
        (";TZID=Europe/Berlin:20260701T120000", "Europe/Berlin"),
        (';TZID="europe/berlin":20260701T120000', "Europe/Berlin"),
        (";TZID=W. Europe Standard Time:20260701T120000", "Europe/Berlin"),
        (";TZID=/freeassociation.sourceforge.net/Europe/Berlin:20260701T120000", "Europe/Berlin"),
        (";VALUE=DATE-TIME;TZID=Europe/Berlin:20260701T120000", "Europe/Berlin"),
        (":20260701T100000Z", "UTC"),
        (";TZID=America/New_York:20260701T100000Z", "UTC"),  # a Z says UTC, whatever else is said
        (";TZID=UTC:20260701T100000", "UTC"),
        (";TZID=Asia/Kolkata:20260701T153000", "Asia/Kolkata"),
        (":20260701T030000", "America/Los_Angeles"),  # floating: the user's zone
    ],
)
def test_zones(dtstart: str, zone: str):
    [found] = occurrences(calendar(f"UID:a\nDTSTART{dtstart}\nDURATION:PT1H"), "America/Los_Angeles")
    assert (found.start_time, found.timezone) == (datetime(2026, 7, 1, 10, tzinfo=UTC), zone)


def test_a_floating_time_is_in_the_calendars_zone():
    text = calendar("UID:a\nDTSTART:20260701T120000", head="X-WR-TIMEZONE:Europe/Berlin")
    assert occurrences(text, "America/Los_Angeles")[0].start_time == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_a_zone_that_the_file_defines():
    text = calendar(
        VIENNA_2.format("My Zone", "0300", "0300"),
        "UID:a\nDTSTART;TZID=My Zone:20260701T130000\nRRULE:FREQ=WEEKLY;COUNT=2",
    )
    found = occurrences(text, "Europe/Paris")
    assert [o.start_time for o in found] == [datetime(2026, 7, 1, 10, tzinfo=UTC), datetime(2026, 7, 8, 10, tzinfo=UTC)]
    assert {o.timezone for o in found} == {"Europe/Paris"}  # always a name that others know


def test_two_files_may_define_one_name_differently():
    one = calendar(VIENNA_2.format("My Zone", "0300", "0300"), "UID:a\nDTSTART;TZID=My Zone:20260701T130000")
    two = calendar(VIENNA_2.format("My Zone", "0200", "0200"), "UID:a\nDTSTART;TZID=My Zone:20260701T130000")
    assert occurrences(one)[0].start_time.hour == 10
    assert occurrences(two)[0].start_time.hour == 11
    assert occurrences(one)[0].start_time.hour == 10


@pytest.mark.parametrize(
    "definition", ["", "BEGIN:VTIMEZONE\nTZID:Nowhere\nEND:VTIMEZONE", VIENNA_2.format("Nowhere", "x", "y")]
)
def test_an_unknown_zone_is_the_users_and_said(definition: str):
    entries = [definition] if definition else []
    found, notes = events(
        calendar(*entries, "UID:a\nDTSTART;TZID=Nowhere:20260701T120000\nDTEND;TZID=Nowhere:20260701T130000")
    )
    assert found[0].occurrences[0].start_time == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert not notes.problems
    assert len(notes.warnings) == 1
    assert notes.warnings[0].endswith("its times are taken as Europe/Berlin")


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("America/Los_Angeles", datetime(2026, 7, 4, 7, tzinfo=UTC), datetime(2026, 7, 5, 7, tzinfo=UTC)),
        ("Pacific/Kiritimati", datetime(2026, 7, 3, 10, tzinfo=UTC), datetime(2026, 7, 4, 10, tzinfo=UTC)),
        ("UTC", datetime(2026, 7, 4, tzinfo=UTC), datetime(2026, 7, 5, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("end_line", ["DTEND;VALUE=DATE:20260705", "", "DURATION:P1D", "DTEND;VALUE=DATE:20260704"])
def test_a_whole_day_is_the_users_day(zone: str, start: datetime, end: datetime, end_line: str):
    text = calendar(f"UID:a\nDTSTART;VALUE=DATE:20260704\n{end_line}", head="X-WR-TIMEZONE:Asia/Tokyo")
    [found] = occurrences(text, zone)
    assert (found.all_day, found.start_time, found.end_time, found.timezone) == (True, start, end, zone)


def test_whole_days_over_a_change_of_clocks_and_in_a_series():
    [trip] = occurrences(calendar("UID:a\nDTSTART;VALUE=DATE:20260328\nDTEND;VALUE=DATE:20260330"))
    assert (trip.end_time - trip.start_time).total_seconds() == 47 * 3600
    yearly = calendar(
        "UID:a\nDTSTART;VALUE=DATE:20200101\nRRULE:FREQ=YEARLY;UNTIL=20261231T230000Z\nEXDATE;VALUE=DATE:20250101"
    )
    assert starts(yearly, "America/New_York") == ["2026-01-01 00:00"]
    assert occurrences(yearly)[0].external_id == "a/20260101"


def test_a_day_that_begins_after_midnight():
    """In Cairo the clocks go forward at midnight: the day begins at one."""
    [found] = occurrences(calendar("UID:a\nDTSTART;VALUE=DATE:20260424"), "Africa/Cairo")
    assert found.start_time == datetime(2026, 4, 23, 22, tzinfo=UTC)


def test_exchange_writes_days_as_midnights():
    text = "UID:a\nDTSTART;TZID=W. Europe Standard Time:20260704T000000\nDTEND;TZID=W. Europe Standard Time:20260706T000000\n"
    [found] = occurrences(calendar(text + "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE"), "America/New_York")
    assert (found.all_day, found.start_time) == (True, datetime(2026, 7, 4, 4, tzinfo=UTC))
    assert not occurrences(calendar(text + "X-MICROSOFT-CDO-ALLDAYEVENT:FALSE"))[0].all_day


def test_texts_status_and_an_event_without_an_end():
    text = calendar(
        "UID:a\nDTSTART:20260701T100000Z\nSUMMARY;LANGUAGE=de:Mittag\\, dann\\nPause\nLOCATION:Café \\; Bar\n"
        "DESCRIPTION:one\\ntwo\nSTATUS:TENTATIVE\nBEGIN:VALARM\nTRIGGER:nonsense\nDESCRIPTION:alarm\nEND:VALARM\nGEO:nonsense"
    )
    [found] = occurrences(text)
    assert (found.title, found.location, found.description) == ("Mittag, dann\nPause", "Café ; Bar", "one\ntwo")
    assert (found.status, found.end_time) == ("tentative", found.start_time)
    assert found.external_id == "a"


def test_folded_lines_line_ends_and_a_missing_uid():
    text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260701T10\n 0000Z\nSUMMARY:a b\n\tc\nEND:VEVENT\nEND:VCALENDAR"
    for line_end in ("\n", "\r\n", "\r", "\r\r\n"):
        [found] = occurrences(text.replace("\n", line_end))
        assert found.title == "a bc"
        assert found.external_id.startswith("no-uid-")
        assert found.external_id == occurrences(text)[0].external_id


def test_a_very_long_uid_is_shortened_and_stays_unique():
    ids = {occurrences(calendar(f"UID:{'x' * 5000}{n}\nDTSTART:20260701T100000Z"))[0].external_id for n in (1, 2)}
    assert len(ids) == 2
    assert max(map(len, ids)) < 400


def test_two_entries_with_one_uid():
    one, two = (
        "UID:a\nDTSTART:20260701T100000Z\nSEQUENCE:2\nSUMMARY:new",
        "UID:a\nDTSTART:20260702T100000Z\nSUMMARY:old",
    )
    found, notes = events(calendar(one, two))
    assert [event.occurrences[0].title for event in found] == ["new"]
    assert notes.warnings == ["entry 2 (UID a, line 9): has the same UID as entry 1 (UID a, line 3) and is left out"]


GOOD = "UID:good\nDTSTART:20260701T100000Z"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("UID:abc\nDTSTART:2026-07-01", "entry 2 (UID abc, line 7): DTSTART is not a date or time: 2026-07-01"),
        ("UID:abc\nDTSTART:20261301T100000Z", "entry 2 (UID abc, line 7): DTSTART is not a date or time: 20261301T100000Z"),
        ("UID:abc\nSUMMARY:x", "entry 2 (UID abc, line 7): has no DTSTART"),
        ("SUMMARY:x", "entry 2 (line 7): has no DTSTART"),
        ("UID:abc\nDTSTART:20260701T100000Z\nDTEND:20260701T090000Z", "entry 2 (UID abc, line 7): ends before it starts (DTEND)"),
        ("UID:abc\nDTSTART:20260701T100000Z\nDURATION:-PT5M", "entry 2 (UID abc, line 7): ends before it starts (DURATION)"),
        ("UID:abc\nDTSTART:20260701T100000Z\nDURATION:soon", "entry 2 (UID abc, line 7): DURATION is not a duration: soon"),
        (
            "UID:abc\nDTSTART;VALUE=DATE:20260701\nDTEND:20260701T090000Z",
            "entry 2 (UID abc, line 7): DTSTART and DTEND are not of one kind: one is a day, the other has a time",
        ),
        ("UID:abc\nDTSTART:20260701T100000Z\nRRULE:weekly", "entry 2 (UID abc, line 7): RRULE weekly cannot be used: WEEKLY is not a part of a rule"),
        ("UID:abc\nDTSTART:20260701T100000Z\nRRULE:FREQ=DAILY;UNTIL=x", "entry 2 (UID abc, line 7): RRULE FREQ=DAILY;UNTIL=x cannot be used: UNTIL is not a date or time"),
        ("UID:abc\nDTSTART:20260701T100000Z\nDTSTART:20260702T100000Z", "entry 2 (UID abc, line 7): has more than one DTSTART"),
        ("UID:abc\nDTSTART:00010101T000000\nSUMMARY:x", "entry 2 (UID abc, line 7): a date is out of range"),
        ("UID:abc\nDTSTART:20260701T100000Z\nEXDATE:never\nRRULE:FREQ=DAILY", "entry 2 (UID abc, line 7): EXDATE is not a date or time: never"),
    ],
)  # fmt: skip
def test_a_broken_entry_is_named_and_the_rest_is_read(entry: str, problem: str):
    found, notes = events(calendar(GOOD, entry, "UID:last\nDTSTART:20260701T100000Z"))
    assert [str(item) for item in notes.problems] == [problem]
    assert [event.external_id for event in found] == ["good", "last"]


def test_a_broken_change_leaves_the_occurrence_as_it_was():
    change = "UID:a\nRECURRENCE-ID:20260702T100000Z\nDTSTART:nonsense"
    found, notes = events(calendar("UID:a\nDTSTART:20260701T100000Z\nRRULE:FREQ=DAILY;COUNT=3", change))
    assert len(found[0].occurrences) == 3
    assert len(notes.problems) == 1


def test_lines_that_are_none_are_said():
    _, notes = events(calendar("UID:a\nDTSTART:20260701T100000Z\nDESCRIPTION:one\nand a torn off line"))
    assert notes.warnings == ["entry 1 (UID a, line 3): line 7 is not NAME:value and is left out"]


@pytest.mark.parametrize(
    ("cut", "problem", "count"),
    [
        ("SUMMARY:second", "entry 2 (UID b, line 8): the file ends in the middle of it", 1),
        ("END:VCALENDAR", "the file is cut off: END:VCALENDAR is missing", 2),
    ],
)
def test_a_truncated_file(cut: str, problem: str, count: int):
    text = calendar("UID:a\nDTSTART:20260701T100000Z\nSUMMARY:first", "UID:b\nDTSTART:20260701T100000Z\nSUMMARY:second")
    found, notes = events(text[: text.index(cut)])
    assert [str(item) for item in notes.problems] == [problem]
    assert len(found) == count


def test_an_entry_that_is_not_closed():
    text = calendar("UID:a\nDTSTART:20260701T100000Z", GOOD).replace("END:VEVENT\r\n", "", 1)
    found, notes = events(text)
    assert [str(item) for item in notes.problems] == ["entry 1 (UID a, line 3): has no END:VEVENT"]
    assert [event.external_id for event in found] == ["good"]


def test_several_calendars_in_one_file_each_with_its_zone():
    one = calendar("UID:a\nDTSTART:20260701T120000", head="X-WR-TIMEZONE:Europe/Berlin")
    two = calendar("UID:b\nDTSTART:20260701T120000", head="X-WR-TIMEZONE:America/New_York")
    assert [o.start_time.hour for o in occurrences(one + two)] == [10, 16]


@pytest.mark.parametrize("text", ["hello", "title\nBuy milk", "BEGIN:VCARD\nEND:VCARD"])
def test_what_is_not_a_calendar(text: str):
    with pytest.raises(ImportProblem, match="is not a calendar"):
        read_entries(text, Notes())


def _read_anything(data: bytes) -> None:
    notes = Notes()
    try:
        entries = read_entries(decode(data), notes)
    except ImportProblem:
        return
    read_events(entries, BERLIN, Window.around(NOW), notes)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_problem_or_in_events(data: bytes):
    _read_anything(data)


_names = st.sampled_from(
    [
        "DTSTART",
        "DTEND",
        "DURATION",
        "RRULE",
        "RDATE",
        "EXDATE",
        "RECURRENCE-ID",
        "UID",
        "SUMMARY",
        "STATUS",
        "SEQUENCE",
        "BEGIN",
        "END",
    ]
)
_params = st.sampled_from(
    ["", ";VALUE=DATE", ";TZID=Europe/Berlin", ";TZID=", ";VALUE=PERIOD", ";RANGE=THISANDFUTURE", ';X="', ";VALUE=TEXT"]
)
_values = st.one_of(
    st.sampled_from(
        ["20260301", "20260301T023000", "20260301T023000Z", "99991231T235959Z", "00010101", "FREQ=DAILY", "FREQ=DAILY;COUNT=2", "P1D", "-P1D",
         "P99999999999D", "PT1H", "20260301T000000Z/PT1H", "20260301T000000Z/20260302T000000Z", "VALARM", "VEVENT", "VCALENDAR", "a", ""]
    ),
    st.text(max_size=12),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_names, _params, _values), max_size=8))
def test_any_properties_end_in_a_problem_or_in_events(lines: list[tuple[str, str, str]]):
    body = "\r\n".join(f"{name}{params}:{value}" for name, params, value in lines)
    text = f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{body}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    _read_anything(text.encode("utf-8", "surrogatepass"))
