"""Days, buckets, order: the rules of a brief at any moment in any zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.features.briefs.models import Buckets, Day, EventData, Section, Task
from app.features.briefs.rules import (
    UPCOMING_DAYS,
    events_of,
    find_zone,
    in_order,
    last_24_hours,
    local_day,
    overlaps,
    sort_into_buckets,
    top_actions,
)

BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 11, 22)
ZONES = ["UTC", "America/Los_Angeles", "Pacific/Niue", "Pacific/Kiritimati", "Asia/Kathmandu", "Australia/Lord_Howe"]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def task(title: str = "t", **values) -> Task:
    return Task(**{"id": title, "title": title, **values})


def buckets(
    *tasks: Task, zone: str = "Europe/Berlin", day: date = TODAY, now: datetime | None = None, home: str | None = None
) -> Buckets:
    there = ZoneInfo(zone)
    now = now or datetime.combine(day, time(9), there).astimezone(UTC)
    return sort_into_buckets(tasks, day=local_day(day, there), home=ZoneInfo(home or zone), now=now)


def titles(placed) -> list[str]:
    return [each.task.title for each in placed]


class TestDays:
    @pytest.mark.parametrize(
        ("zone", "day", "start", "hours"),
        [
            ("UTC", date(2026, 11, 22), utc(2026, 11, 22), 24),
            ("America/Los_Angeles", date(2026, 11, 22), utc(2026, 11, 22, 8), 24),
            ("Pacific/Kiritimati", date(2026, 11, 22), utc(2026, 11, 21, 10), 24),
            ("Europe/Berlin", date(2026, 3, 29), utc(2026, 3, 28, 23), 23),
            ("Europe/Berlin", date(2026, 10, 25), utc(2026, 10, 24, 22), 25),
            ("Australia/Lord_Howe", date(2026, 4, 5), utc(2026, 4, 4, 13), 24.5),
            ("Africa/Cairo", date(2026, 4, 24), utc(2026, 4, 23, 22), 23),  # 00:00 does not exist
            ("America/Havana", date(2026, 11, 1), utc(2026, 11, 1, 4), 25),  # 00:00 comes twice: the first one counts
            ("Pacific/Apia", date(2011, 12, 30), utc(2011, 12, 30, 10), 0),  # the day Samoa left out
        ],
    )
    def test_a_day_begins_and_ends_with_the_local_date(
        self, zone: str, day: date, start: datetime, hours: float
    ) -> None:
        found = local_day(day, ZoneInfo(zone))
        assert (found.start, found.hours) == (start, hours)

    def test_days_follow_each_other_without_gap_in_every_zone(self) -> None:
        for name in (
            "Africa/Cairo",
            "America/Havana",
            "America/Sao_Paulo",
            "Asia/Beirut",
            "Australia/Lord_Howe",
            "Europe/Berlin",
        ):
            days = [local_day(date(2018, 1, 1) + timedelta(days=n), ZoneInfo(name)) for n in range(366)]
            assert all(one.end == two.start for one, two in pairwise(days)), name

    @pytest.mark.parametrize(
        "name", ["Mars/Olympus", "", "America", "../etc/passwd", "/etc/localtime", "Europe/Berlin\x00", "x" * 5000]
    )
    def test_what_is_no_zone(self, name: str) -> None:
        assert find_zone(name) is None


class TestBuckets:
    @pytest.mark.parametrize("zone", ZONES)
    def test_the_edges_of_the_day_in_every_zone(self, zone: str) -> None:
        day = local_day(TODAY, ZoneInfo(zone))
        found = buckets(
            task("just before", due_date=day.start - timedelta(seconds=1)),
            task("first moment", due_date=day.start),
            task("last moment", due_date=day.end - timedelta(seconds=1)),
            task("tomorrow", due_date=day.end),
            zone=zone,
        )
        assert titles(found.overdue) == ["just before"]
        assert titles(found.today) == ["first moment", "last moment"]
        assert titles(found.upcoming) == ["tomorrow"]

    @pytest.mark.parametrize(
        "zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana"]
    )
    def test_each_day_of_a_year_its_own_tasks_are_today(self, zone: str) -> None:
        there = ZoneInfo(zone)
        for number in range(365):
            day = date(2026, 1, 1) + timedelta(days=number)
            hours = [datetime.combine(day, time(hour, 30), there).astimezone(UTC) for hour in range(24)]
            found = buckets(*(task(str(n), due_date=at) for n, at in enumerate(hours)), zone=zone, day=day)
            # An hour that a clock change skips lies in the same day all the same.
            assert len(found.today) == 24, day

    def test_seven_days_ahead_and_not_one_more(self) -> None:
        due = {n: datetime.combine(TODAY + timedelta(days=n), time(23, 59), BERLIN) for n in (1, 7, 8)}
        found = buckets(*(task(f"in {n}", due_date=at) for n, at in due.items()))
        assert titles(found.upcoming) == ["in 1", "in 7"]
        assert (found.today, found.overdue) == ((), ())

    def test_the_due_date_decides_and_the_start_date_only_without_one(self) -> None:
        found = buckets(
            task("starts today, due in a month", start_date=utc(2026, 11, 22, 8), due_date=utc(2026, 12, 22, 8)),
            task("started last week, due today", start_date=utc(2026, 11, 15, 8), due_date=utc(2026, 11, 22, 8)),
            task("starts today", start_date=utc(2026, 11, 22, 8)),
            task("no date"),
        )
        assert titles(found.today) == ["started last week, due today", "starts today"]
        assert [placed.planned for placed in found.today] == [False, True]
        assert (found.overdue, found.upcoming) == ((), ())

    def test_a_time_that_passed_today_is_still_today(self) -> None:
        assert titles(buckets(task("at eight", due_date=utc(2026, 11, 22, 7)), now=utc(2026, 11, 22, 20)).today) == [
            "at eight"
        ]

    @pytest.mark.parametrize("zone", ZONES)
    def test_a_date_only_task_is_on_its_date_wherever_the_brief_is_read(self, zone: str) -> None:
        home = ZoneInfo("America/New_York")
        dates = {n: datetime.combine(TODAY + timedelta(days=n), time(), home).astimezone(UTC) for n in (-1, 0, 1)}
        found = buckets(
            *(task(str(n), due_date=at, all_day=True) for n, at in dates.items()), zone=zone, home="America/New_York"
        )
        assert [titles(found.overdue), titles(found.today), titles(found.upcoming)] == [["-1"], ["0"], ["1"]]
        assert all(placed.at is None for placed in found.overdue + found.today + found.upcoming)

    def test_a_date_only_task_where_midnight_does_not_exist(self) -> None:
        day = date(2026, 4, 24)
        start = local_day(day, ZoneInfo("Africa/Cairo")).start
        assert titles(buckets(task(due_date=start, all_day=True), zone="Africa/Cairo", day=day).today) == ["t"]

    def test_done_and_deleted_tasks_are_in_no_open_bucket(self) -> None:
        due = {"due_date": utc(2026, 11, 22, 8)}
        found = buckets(
            task("done", status="done", completed_at=utc(2026, 11, 22, 7), **due),
            task("done, nobody knows when", status="done", **due),
            task("deleted", deleted=True, **due),
            task("done and deleted", status="done", completed_at=utc(2026, 11, 22, 7), deleted=True, **due),
            task("opened again", completed_at=utc(2026, 11, 22, 7), **due),
        )
        assert titles(found.today) == ["opened again"]
        assert titles(found.completed) == ["done"]

    def test_completed_in_the_last_24_hours(self) -> None:
        now = utc(2026, 11, 22, 8)
        moments = {"now": now, "later": now + timedelta(seconds=1), "yesterday": now - timedelta(hours=23, minutes=59),
                   "too long ago": now - timedelta(hours=24)}  # fmt: skip
        found = buckets(*(task(name, status="done", completed_at=at) for name, at in moments.items()), now=now)
        assert titles(found.completed) == ["now", "yesterday"]

    def test_the_last_24_hours_of_a_day_that_is_over_are_its_own(self) -> None:
        day = local_day(TODAY, BERLIN)
        assert last_24_hours(day, utc(2026, 12, 24)) == (day.start, day.end)
        assert last_24_hours(day, utc(2026, 11, 20, 6)) == (utc(2026, 11, 19, 6), utc(2026, 11, 20, 6))

    def test_orders(self) -> None:
        found = buckets(
            task("b old", due_date=utc(2026, 11, 1, 9)),
            task("a old", due_date=utc(2026, 11, 1, 9), priority="low"),
            task("older", due_date=utc(2026, 10, 1, 9), priority="low"),
            task("low at nine", due_date=utc(2026, 11, 22, 8), priority="low"),
            task("high sometime", due_date=utc(2026, 11, 21, 23), all_day=True, priority="high"),
            task("high at ten", due_date=utc(2026, 11, 22, 9), priority="high"),
            task("high but blocked", due_date=utc(2026, 11, 22, 7), priority="high", status="blocked"),
            task("friday", due_date=utc(2026, 11, 27, 9)),
            task("monday", due_date=utc(2026, 11, 23, 9)),
        )
        assert titles(found.overdue) == ["older", "b old", "a old"]
        assert titles(found.today) == ["high at ten", "high sometime", "high but blocked", "low at nine"]
        assert titles(found.upcoming) == ["monday", "friday"]


moments = st.one_of(st.none(), st.datetimes(datetime(2026, 10, 1), datetime(2026, 12, 31), timezones=st.just(UTC)))
some_tasks = st.lists(
    st.builds(
        Task,
        id=st.uuids().map(str),
        title=st.text(max_size=8),
        status=st.sampled_from(["backlog", "in_progress", "blocked", "done"]),
        priority=st.sampled_from(["low", "medium", "high"]),
        all_day=st.booleans(),
        start_date=moments,
        due_date=moments,
        completed_at=moments,
        deleted=st.booleans(),
    ),
    max_size=25,
    unique_by=lambda each: each.id,
)


@settings(max_examples=150, deadline=None)
@given(tasks=some_tasks, zone=st.sampled_from([*ZONES, "Europe/Berlin", "America/Havana"]), home=st.sampled_from(ZONES),
       day=st.dates(date(2026, 10, 20), date(2026, 12, 10)), hour=st.integers(0, 23))  # fmt: skip
def test_whatever_the_tasks(tasks: list[Task], zone: str, home: str, day: date, hour: int) -> None:
    there = ZoneInfo(zone)
    now = datetime.combine(day, time(hour), there).astimezone(UTC)
    found = sort_into_buckets(tasks, day=local_day(day, there), home=ZoneInfo(home), now=now)
    open_ids = [placed.task.id for placed in found.overdue + found.today + found.upcoming]
    assert len(open_ids) == len(set(open_ids)), "each open task is in one bucket at most"
    assert all(placed.task.open for placed in found.overdue + found.today + found.upcoming)
    assert all(placed.task.status == "done" and not placed.task.deleted for placed in found.completed)
    assert [p.date for p in found.overdue] == sorted(p.date for p in found.overdue)
    assert [p.date for p in found.upcoming] == sorted(p.date for p in found.upcoming)
    assert all(p.date < day for p in found.overdue) and all(p.date == day for p in found.today)
    assert all(1 <= (p.date - day).days <= UPCOMING_DAYS for p in found.upcoming)
    expected = {t.id for t in tasks if t.open and (t.due_date or t.start_date)}
    assert set(open_ids) <= expected
    assert sort_into_buckets(reversed(tasks), day=local_day(day, there), home=ZoneInfo(home), now=now) == found

    section = Section("p", "P", found)
    actions = top_actions([section], most=1000)
    assert {a.placed.task.id for a in actions} == {p.task.id for p in found.overdue + found.today}
    assert len(actions) == len(found.overdue + found.today), "each once"
    ranks = [["high", "medium", "low"].index(a.placed.task.priority) for a in actions]
    assert ranks == sorted(ranks)


class TestOrderOfTheBrief:
    def test_priorities_across_projects(self) -> None:
        one = Section("1", "One", buckets(task("low, long overdue", due_date=utc(2026, 1, 1), priority="low"),
                                          task("done", status="done", completed_at=utc(2026, 11, 22, 7)),
                                          task("next week", due_date=utc(2026, 11, 25), priority="high")))  # fmt: skip
        two = Section("2", "Two", buckets(task("high today", due_date=utc(2026, 11, 22, 12), priority="high"),
                                          task("high overdue", due_date=utc(2026, 11, 20), priority="high")))  # fmt: skip
        assert titles(a.placed for a in top_actions([one, two])) == ["high overdue", "high today", "low, long overdue"]
        assert titles(a.placed for a in top_actions([one, two], most=1)) == ["high overdue"]

    def test_projects_that_press_come_first_and_quiet_ones_last(self) -> None:
        sections = [
            Section("1", "a quiet"),
            Section("2", "broken", failed="why"),
            Section("3", "ahead", buckets(task(due_date=utc(2026, 11, 25)))),
            Section("4", "a presses", buckets(task(due_date=utc(2026, 11, 22, 9), priority="low"))),
            Section("5", "z presses more", buckets(task(due_date=utc(2026, 11, 22, 9), priority="high"))),
        ]
        names = [section.name for section in in_order(sections)]
        assert names == ["z presses more", "a presses", "ahead", "broken", "a quiet"]
        assert [s.name for s in in_order(reversed(sections))] == names


class TestEvents:
    DAY: Day = local_day(TODAY, BERLIN)  # 21 Nov 23:00 UTC to 22 Nov 23:00 UTC

    def seen(self, *events: EventData, day: Day | None = None) -> list[str]:
        return [event.title for event in events_of(day or self.DAY, events)]

    def test_what_touches_the_day(self) -> None:
        found = events_of(self.DAY, [
            EventData("ends at midnight before", utc(2026, 11, 21, 22), utc(2026, 11, 21, 23)),
            EventData("over midnight", utc(2026, 11, 21, 22), utc(2026, 11, 22, 1)),
            EventData("first minute", utc(2026, 11, 21, 23), utc(2026, 11, 21, 23, 1)),
            EventData("an instant at midnight", utc(2026, 11, 21, 23), utc(2026, 11, 21, 23)),
            EventData("late", utc(2026, 11, 22, 22), utc(2026, 11, 23, 1)),
            EventData("tomorrow", utc(2026, 11, 22, 23), utc(2026, 11, 23, 1)),
            EventData("all of it and more", utc(2026, 11, 20), utc(2026, 11, 25)),
        ])  # fmt: skip
        assert [(e.title, e.from_before, e.into_after) for e in found] == [
            ("all of it and more", True, True),
            ("over midnight", True, False),
            ("an instant at midnight", False, False),
            ("first minute", False, False),
            ("late", False, True),
        ]

    @pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Niue", "Mars/Olympus"])
    def test_an_all_day_event_is_on_its_dates_wherever_it_was_written(self, zone: str) -> None:
        written = find_zone(zone) or BERLIN
        start = datetime.combine(TODAY, time(), written).astimezone(UTC)
        birthday = EventData("birthday", start, start + timedelta(days=1), all_day=True, timezone=zone)
        assert self.seen(birthday) == ["birthday"]
        for other in (TODAY - timedelta(days=1), TODAY + timedelta(days=1)):
            assert self.seen(birthday, day=local_day(other, BERLIN)) == []

    def test_all_day_events_of_several_days_and_of_none(self) -> None:
        trip = EventData("trip", utc(2026, 11, 20), utc(2026, 11, 23), all_day=True)
        point = EventData("point", utc(2026, 11, 22), utc(2026, 11, 22), all_day=True)
        assert self.seen(trip, point) == ["trip", "point"]
        assert self.seen(trip, day=local_day(date(2026, 11, 23), BERLIN)) == []

    def test_overlaps_and_none_in_the_hour_that_comes_twice(self) -> None:
        day = local_day(date(2026, 10, 25), BERLIN)
        first = EventData("first 02:30", utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 0, 50))
        second = EventData("second 02:30", utc(2026, 10, 25, 1, 30), utc(2026, 10, 25, 1, 50))
        long = EventData("02:40 to 02:40", utc(2026, 10, 25, 0, 40), utc(2026, 10, 25, 1, 40))
        found = events_of(day, [second, first])
        assert ([e.title for e in found], overlaps(found)) == (["first 02:30", "second 02:30"], ())
        pairs = overlaps(events_of(day, [second, first, long]))
        assert [(a.title, b.title) for a, b in pairs] == [
            ("first 02:30", "02:40 to 02:40"),
            ("02:40 to 02:40", "second 02:30"),
        ]

    def test_touching_and_all_day_events_do_not_overlap(self) -> None:
        found = events_of(self.DAY, [
            EventData("one", utc(2026, 11, 22, 9), utc(2026, 11, 22, 10)),
            EventData("two", utc(2026, 11, 22, 10), utc(2026, 11, 22, 11)),
            EventData("day", utc(2026, 11, 22), utc(2026, 11, 23), all_day=True),
            EventData("instant", utc(2026, 11, 22, 9, 30), utc(2026, 11, 22, 9, 30)),
        ])  # fmt: skip
        assert overlaps(found) == ()
