"""When a finished recurring task comes again: in its user's time, over clock changes, never piling up."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.features.upkeep.rules import Finished, next_instance
from app.formats.problems import ImportProblem

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def finished(rule, due, *, zone=BERLIN, start=None, done=None, all_day=False, series=None) -> Finished:
    """A task whose times are local ones of its user; finished when it was due unless said otherwise."""
    own = due or start
    return Finished(
        UUID(int=1), start and at(start, zone), due and at(due, zone), all_day, at(done or own, zone), rule,
        series and datetime.fromisoformat(series), zone,
    )  # fmt: skip


def due_after(*args, **named) -> str | None:
    """The local due time of the next instance."""
    task = finished(*args, **named)
    found = next_instance(task)
    return found and found.due_date.astimezone(ZoneInfo(task.timezone)).replace(tzinfo=None).isoformat(" ", "minutes")


@pytest.mark.parametrize(
    ("rule", "due", "expected"),
    [
        ("FREQ=DAILY", "2026-06-01 09:00", "2026-06-02 09:00"),
        ("FREQ=WEEKLY;BYDAY=MO,FR", "2026-06-01 09:00", "2026-06-05 09:00"),
        ("FREQ=WEEKLY;INTERVAL=2", "2026-06-01 09:00", "2026-06-15 09:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "2026-01-31 09:00", "2026-03-31 09:00"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "2026-05-29 09:00", "2026-06-26 09:00"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "2096-02-29 09:00", "2104-02-29 09:00"),
        ("FREQ=YEARLY;INTERVAL=50", "2026-06-01 09:00", "2076-06-01 09:00"),
        ("FREQ=DAILY;UNTIL=20260601", "2026-06-01 09:00", None),
        ("FREQ=DAILY;COUNT=1", "2026-06-01 09:00", None),
        ("FREQ=YEARLY;INTERVAL=8000", "2026-06-01 09:00", None),
    ],
    ids=["daily", "two-days", "fortnight", "31st", "last-friday", "leap-day", "half-century", "until", "count", "never-again"],
)  # fmt: skip
def test_rules(rule, due, expected):
    assert due_after(rule, due) == expected


class TestClockChanges:
    def test_the_time_on_the_wall_stays(self):
        before, after = next_instance(finished("FREQ=WEEKLY", "2026-03-26 09:00")), finished("FREQ=WEEKLY", "2026-03-26 09:00")
        assert before.due_date - after.due_date != 7 * (at("2026-01-02") - at("2026-01-01")), "an hour is missing that week"
        assert due_after("FREQ=WEEKLY", "2026-03-26 09:00") == "2026-04-02 09:00"
        assert due_after("FREQ=DAILY", "2026-10-24 09:00") == "2026-10-25 09:00"

    def test_a_skipped_time_moves_forward_and_the_series_does_not(self):
        assert due_after("FREQ=DAILY", "2026-03-28 02:30") == "2026-03-29 03:30"
        assert due_after("FREQ=DAILY", "2026-03-29 03:30", series="2026-03-28T02:30") == "2026-03-30 02:30"

    def test_a_repeated_time_is_the_first(self):
        assert next_instance(finished("FREQ=DAILY", "2026-10-24 02:30")).due_date == at("2026-10-25 00:30")

    def test_whole_days_stay_whole_days(self):
        found = next_instance(finished("FREQ=DAILY", "2026-03-28", all_day=True))
        assert found.due_date == at("2026-03-29", BERLIN) and found.all_day
        assert next_instance(finished("FREQ=DAILY", "2026-03-29", all_day=True)).due_date == at("2026-03-30", BERLIN)
        # In Santiago midnight itself is skipped that day.
        skipped = next_instance(finished("FREQ=DAILY", "2026-09-05", all_day=True, zone="America/Santiago"))
        assert skipped.due_date == at("2026-09-06 01:00", "America/Santiago")
        following = finished("FREQ=DAILY", "2026-09-06 01:00", all_day=True, zone="America/Santiago", series="2026-09-05T00:00")
        assert next_instance(following).due_date == at("2026-09-07", "America/Santiago")

    def test_the_same_rule_in_two_zones_is_two_instants(self):
        days = [next_instance(finished("FREQ=WEEKLY;BYDAY=MO", "2026-06-01", all_day=True, zone=zone)) for zone in ("Pacific/Auckland", "Pacific/Honolulu")]
        assert [day.due_date for day in days] == [at("2026-06-07 12:00"), at("2026-06-08 10:00")]


class TestWhatWasMissed:
    def test_it_does_not_pile_up(self):
        assert due_after("FREQ=DAILY", "2026-06-01 09:00", done="2026-06-10 08:00") == "2026-06-10 09:00"
        assert due_after("FREQ=DAILY", "2026-06-01 09:00", done="2026-06-10 09:00") == "2026-06-11 09:00"
        assert due_after("FREQ=WEEKLY;BYDAY=MO", "2026-06-01", done="2026-06-08 10:00", all_day=True) == "2026-06-15 00:00"

    def test_finished_early_skips_nothing(self):
        assert due_after("FREQ=WEEKLY;BYDAY=MO", "2026-06-08 09:00", done="2026-06-03 10:00") == "2026-06-15 09:00"

    def test_a_count_counts_the_series_from_its_start(self):
        assert due_after("FREQ=DAILY;COUNT=3", "2026-06-02 09:00", series="2026-06-01T09:00") == "2026-06-03 09:00"
        assert due_after("FREQ=DAILY;COUNT=3", "2026-06-03 09:00", series="2026-06-01T09:00") is None

    def test_an_instance_that_was_moved_does_not_move_the_series(self):
        assert due_after("FREQ=WEEKLY", "2026-06-10 18:00", series="2026-06-01T09:00") == "2026-06-15 09:00"


class TestDates:
    def test_the_start_keeps_its_distance_on_the_clock(self):
        found = next_instance(finished("FREQ=WEEKLY", "2026-03-27 17:00", start="2026-03-26 09:00"))
        assert (found.start_date, found.due_date) == (at("2026-04-02 09:00", BERLIN), at("2026-04-03 17:00", BERLIN))

    def test_a_start_alone_recurs(self):
        found = next_instance(finished("FREQ=DAILY", None, start="2026-06-01 09:00"))
        assert (found.start_date, found.due_date) == (at("2026-06-02 09:00", BERLIN), None)

    def test_without_a_date_it_recurs_by_days_from_the_day_it_was_finished(self):
        found = next_instance(finished("FREQ=DAILY;INTERVAL=3", None, done="2026-06-01 23:30"))
        assert (found.start_date, found.due_date, found.all_day) == (None, at("2026-06-04", BERLIN), True)

    def test_an_unknown_zone_is_utc(self):
        task = finished("FREQ=DAILY", "2026-06-01 09:00", zone="UTC")
        for name in ("Mars/Olympus", None, "../etc"):
            assert next_instance(Finished(**{**vars(task), "timezone": name})).due_date == at("2026-06-02 09:00")

    def test_a_rule_that_is_none_is_named(self):
        with pytest.raises(ImportProblem, match="every monday"):
            next_instance(finished("every monday", "2026-06-01 09:00"))
