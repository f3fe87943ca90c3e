"""Calendars into a real database: once, again, changed, vanished, later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.features.calendar import CalendarChanges, ensure_expanded, import_events
from app.formats.counts import Counts
from app.formats.ics import read_entries
from app.formats.problems import ImportProblem, Notes
from tests.support.calendars import NOW, calendar
from tests.support.servers import Database

SERIES = "UID:s\nSUMMARY:Stand-up\nDTSTART;TZID=Europe/Berlin:20260202T090000\nDURATION:PT15M\nRRULE:FREQ=DAILY;COUNT=4"
SINGLE = "UID:one\nSUMMARY:Dentist\nDTSTART:20260301T100000Z\nDURATION:PT1H"


@pytest.fixture
def user_id(database: Database) -> UUID:
    return add_user(database, "ann@example.org", "America/New_York")


def add_user(database: Database, email: str, zone: str) -> UUID:
    with database.engine.begin() as conn:
        query = text("insert into users (email, timezone) values (:email, :zone) returning id")
        return conn.execute(query, {"email": email, "zone": zone}).scalar_one()


def load(database: Database, user_id: UUID, content: str, now: datetime = NOW) -> CalendarChanges:
    notes = Notes()
    with database.engine.begin() as conn:
        changes = import_events(conn, user_id, read_entries(content, notes), now, notes)
    assert not notes.problems, [str(problem) for problem in notes.problems]
    return changes


def rows(
    database: Database,
    query: str = "select external_id, title, start_time, status from calendar_events order by start_time",
) -> list[tuple]:
    with database.engine.begin() as conn:
        return [tuple(row) for row in conn.execute(text(query))]


def test_importing_again_changes_nothing(database: Database, user_id: UUID):
    content = calendar(SERIES, SINGLE, "UID:day\nDTSTART;VALUE=DATE:20260704\nSUMMARY:Day off")
    first = load(database, user_id, content)
    assert first == CalendarChanges(Counts(added=3), Counts(added=6))
    before = rows(database, "select * from calendar_events order by id") + rows(
        database, "select * from calendar_series"
    )
    assert load(database, user_id, content) == CalendarChanges(Counts(unchanged=3), Counts(unchanged=6))
    assert (
        rows(database, "select * from calendar_events order by id") + rows(database, "select * from calendar_series")
        == before
    )


def test_a_whole_day_is_the_users_local_day(database: Database, user_id: UUID):
    load(database, user_id, calendar("UID:day\nDTSTART;VALUE=DATE:20260704\nSUMMARY:Day off"))
    query = "select (start_time at time zone timezone)::text, (end_time at time zone timezone)::text, all_day, timezone, sync_source from calendar_events"
    assert rows(database, query) == [("2026-07-04 00:00:00", "2026-07-05 00:00:00", True, "America/New_York", "ics")]


def test_a_changed_file_updates_and_a_vanished_occurrence_is_removed(database: Database, user_id: UUID):
    load(database, user_id, calendar(SERIES, SINGLE))
    changed = calendar(
        SERIES.replace("COUNT=4", "COUNT=3") + "\nEXDATE;TZID=Europe/Berlin:20260203T090000",
        "UID:s\nRECURRENCE-ID:20260204T080000Z\nDTSTART:20260204T120000Z\nSUMMARY:Moved",
        SINGLE.replace("Dentist", "Doctor"),
    )
    assert load(database, user_id, changed) == CalendarChanges(
        Counts(updated=2), Counts(updated=2, unchanged=1, removed=2)
    )
    assert [(row[0], row[1]) for row in rows(database)] == [
        ("s/20260202T080000Z", "Stand-up"), ("s/20260204T080000Z", "Moved"), ("one", "Doctor"),
    ]  # fmt: skip


def test_an_event_that_the_next_file_does_not_mention_stays(database: Database, user_id: UUID):
    load(database, user_id, calendar(SINGLE))
    load(database, user_id, calendar(SERIES))
    assert len(rows(database)) == 5


def test_once_becomes_a_series_and_back(database: Database, user_id: UUID):
    series = SINGLE + "\nRRULE:FREQ=DAILY;COUNT=2"
    load(database, user_id, calendar(SINGLE))
    assert load(database, user_id, calendar(series)).occurrences == Counts(added=2, removed=1)
    assert load(database, user_id, calendar(SINGLE)).occurrences == Counts(added=1, removed=2)
    assert [row[0] for row in rows(database)] == ["one"]
    assert rows(database, "select * from calendar_series") == []


def test_a_single_occurrence_that_comes_alone_joins_its_series(database: Database, user_id: UUID):
    alone = calendar(
        "UID:s\nRECURRENCE-ID:20260203T080000Z\nDTSTART:20260203T080000Z\nSUMMARY:Off\nSTATUS:CANCELLED",
        head="METHOD:CANCEL",
    )
    load(database, user_id, calendar(SERIES))
    assert load(database, user_id, alone) == CalendarChanges(Counts(updated=1), Counts(updated=1, unchanged=3))
    assert [row[3] for row in rows(database)] == ["confirmed", "cancelled", "confirmed", "confirmed"]
    assert load(database, user_id, alone).occurrences == Counts(unchanged=4)


def test_a_single_occurrence_without_its_series_is_an_event_until_the_series_comes(database: Database, user_id: UUID):
    alone = "UID:s\nRECURRENCE-ID:20260203T080000Z\nDTSTART:20260203T120000Z\nSUMMARY:Moved"
    assert load(database, user_id, calendar(alone)).occurrences == Counts(added=1)
    assert load(database, user_id, calendar(SERIES, alone)).occurrences == Counts(added=3, updated=1)
    assert rows(database, "select count(*), count(series_id) from calendar_events") == [(4, 4)]


def test_series_are_expanded_when_a_later_day_is_needed(database: Database, user_id: UUID):
    endless = SERIES.replace(";COUNT=4", "") + "\nEXDATE;TZID=Europe/Berlin:20280101T090000"
    load(database, user_id, calendar(endless, SINGLE))
    last = rows(database, "select max(start_time) from calendar_events")[0][0]
    assert timedelta() <= NOW + timedelta(days=396) - last <= timedelta(days=1)
    with database.engine.begin() as conn:
        assert ensure_expanded(conn, user_id, NOW + timedelta(days=300)) == 0
        assert ensure_expanded(conn, user_id, datetime(2028, 1, 3, tzinfo=UTC)) > 300
        assert ensure_expanded(conn, user_id, datetime(2028, 1, 3, tzinfo=UTC)) == 0
    days = [
        row[0]
        for row in rows(
            database, "select start_time::date::text from calendar_events where start_time >= '2027-12-30' order by 1"
        )
    ]
    assert days[:4] == ["2027-12-30", "2027-12-31", "2028-01-02", "2028-01-03"]
    total = len(rows(database))
    assert load(database, user_id, calendar(endless, SINGLE)).occurrences.removed == 0  # what was needed later stays
    assert len(rows(database)) == total


def test_a_series_of_a_zone_defined_in_the_file_can_be_expanded_later(database: Database, user_id: UUID):
    zone = "BEGIN:VTIMEZONE\nTZID:Ship\nBEGIN:STANDARD\nDTSTART:16010101T000000\nTZOFFSETFROM:+0300\nTZOFFSETTO:+0300\nEND:STANDARD\nEND:VTIMEZONE"
    load(database, user_id, calendar(zone, "UID:s\nDTSTART;TZID=Ship:20260202T090000\nRRULE:FREQ=MONTHLY"))
    with database.engine.begin() as conn:
        ensure_expanded(conn, user_id, datetime(2028, 1, 1, tzinfo=UTC))
    times = rows(database, "select distinct (start_time at time zone 'UTC')::time::text from calendar_events")
    assert times == [("06:00:00",)]


def test_users_do_not_touch_each_other(database: Database, user_id: UUID):
    other = add_user(database, "bob@example.org", "Asia/Tokyo")
    load(database, user_id, calendar(SERIES, SINGLE))
    assert load(database, other, calendar(SERIES, SINGLE)).occurrences == Counts(added=5)
    load(database, other, calendar(SERIES.replace("COUNT=4", "COUNT=1")))
    assert rows(database, "select count(*) from calendar_events group by user_id order by 1") == [(2,), (5,)]


def test_an_unknown_user_is_refused(database: Database):
    with pytest.raises(ImportProblem, match="the user is unknown"):
        load(database, uuid4(), calendar(SINGLE))


def test_many_events_in_few_statements(database: Database, user_id: UUID):
    entries = [
        f"UID:{n}\nDTSTART:20260301T100000Z\nSUMMARY:Event {n}\nDESCRIPTION:100 % \\\\ ' \" :x" for n in range(6000)
    ]
    assert load(database, user_id, calendar(*entries, SERIES.replace("COUNT=4", "COUNT=3000"))).occurrences == Counts(
        added=6396
    )
