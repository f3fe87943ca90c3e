"""When tasks could be done. Berlin is an hour ahead of UTC in winter."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from app.features.phases import rules
from app.features.phases.models import Method, Plan, Project
from app.features.phases.schedule import merged, with_dates
from tests.unit.phases.plans import choice, number, project, task

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)  # 07:00 in Berlin


def at(text: str) -> datetime:
    """A time in Berlin, in November or December 2026."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=BERLIN)


def dated(
    garden: Project, *phases: list[int], busy=(), method: Method = "calendar_optimized", now: datetime = MONDAY
) -> Plan:
    plan = rules.arrange(garden, garden.tasks, choice(*phases))
    return with_dates(plan, garden, method=method, busy=busy, zone=BERLIN, now=now)


def starts(plan: Plan) -> dict[int, str]:
    return {
        each.id.int: each.start.astimezone(BERLIN).strftime("%m-%d %H:%M")
        for phase in plan.phases
        for each in phase.tasks
        if each.start
    }


def test_one_after_the_other_in_working_hours() -> None:
    assert starts(dated(project(3), [1, 2, 3])) == {1: "11-23 09:00", 2: "11-23 10:00", 3: "11-23 11:00"}


def test_a_day_holds_four_hours_and_the_weekend_none() -> None:
    friday = at("11-27 08:00")
    assert starts(dated(project(6), [1, 2, 3, 4, 5, 6], now=friday))[5] == "11-30 09:00"


def test_a_phase_begins_on_the_day_after_the_one_before() -> None:
    plan = dated(project(2), [1], [2])
    assert [(phase.start_date, phase.end_date) for phase in plan.phases] == [
        (date(2026, 11, 23),) * 2,
        (date(2026, 11, 24),) * 2,
    ]


def test_around_what_is_in_the_calendar() -> None:
    busy = [
        (at("11-23 09:30"), at("11-23 11:10")),
        (at("11-23 11:00"), at("11-23 12:00")),
        (at("11-23 13:00"), at("11-23 16:30")),
    ]
    assert starts(dated(project(2), [1, 2], busy=busy)) == {1: "11-23 12:00", 2: "11-24 09:00"}


def test_the_other_methods_do_not_look_at_it() -> None:
    busy = [(at("11-23 08:00"), at("11-24 18:00"))]
    assert starts(dated(project(1), [1], busy=busy, method="schedule_in_phases")) == {1: "11-23 09:00"}
    only = dated(project(1), [1], busy=busy, method="phases_only")
    assert starts(only) == {} and only.phases[0].start_date == date(2026, 11, 23)


def test_begins_on_the_next_quarter_and_not_after_the_day() -> None:
    assert starts(dated(project(2), [1, 2], now=at("11-23 14:52"))) == {1: "11-23 15:00", 2: "11-23 16:00"}
    assert starts(dated(project(2), [1, 2], now=at("11-23 15:07"))) == {1: "11-23 15:15", 2: "11-24 09:00"}


def test_not_before_a_task_may_start_nor_before_what_it_needs_ends() -> None:
    garden = project([task(1, start_date=at("11-25 00:00"), all_day=True), task(2), task(3)], {2: {1}})
    assert starts(dated(garden, [1, 2, 3])) == {1: "11-25 09:00", 2: "11-25 10:00", 3: "11-23 09:00"}


def test_late_tasks_are_noted() -> None:
    garden = project([task(1, due_date=at("11-23 00:00"), all_day=True), task(2, due_date=at("11-23 10:30"))])
    assert dated(garden, [1, 2]).notes["late"] == [str(number(2))]


def test_what_finds_no_room_is_noted_and_so_is_what_needs_it() -> None:
    garden = project(3, {2: {1}})
    plan = dated(garden, [1, 2, 3], busy=[(at("11-01 00:00"), MONDAY + timedelta(days=4000))])
    assert starts(plan) == {} and len(plan.notes["no_room"]) == 3
    far = project([task(1, start_date=datetime(9997, 1, 1, tzinfo=UTC)), task(2), task(3)], {2: {1}})
    plan = dated(far, [1, 2, 3])
    assert starts(plan) == {3: "11-23 09:00"} and plan.notes["no_room"] == [str(number(1)), str(number(2))]


def test_what_is_done_gets_no_date() -> None:
    garden = project([task(1, status="done"), task(2)], {2: {1}})
    assert starts(dated(garden, [1, 2])) == {2: "11-23 09:00"}


def test_the_clock_change_moves_nobody() -> None:
    for now in ("2026-10-23T06:00", "2027-03-26T06:00"):  # the Fridays before
        moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
        hours = {
            each.start.astimezone(BERLIN).hour
            for each in dated(project(8), list(range(1, 9)), now=moment).phases[0].tasks
        }
        assert hours <= {9, 10, 11, 12}


def test_spans_that_touch_or_take_no_time() -> None:
    a, b, c = at("11-23 09:00"), at("11-23 10:00"), at("11-23 11:00")
    assert merged([(b, c), (a, b), (c, c), (a, a)]) == [(a, c)]


SPAN = st.tuples(st.integers(0, 14 * 96), st.integers(1, 60))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(SPAN, max_size=12),
    st.dictionaries(st.integers(1, 6), st.sets(st.integers(1, 6), max_size=2)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati"]),
)
def test_never_over_a_busy_time_never_two_at_once_never_before_a_need(spans, needs, name) -> None:
    busy = [
        (MONDAY + start * timedelta(minutes=15), MONDAY + (start + length) * timedelta(minutes=15))
        for start, length in spans
    ]
    garden, zone = project(6, needs), ZoneInfo(name)
    plan = rules.arrange(garden, garden.tasks, choice([1, 2, 3], [4, 5, 6]))
    plan = with_dates(plan, garden, method="calendar_optimized", busy=busy, zone=zone, now=MONDAY)
    tasks = [each for phase in plan.phases for each in phase.tasks]
    assert len(tasks) == 6 and all(each.start and each.end for each in tasks)
    taken = sorted([*busy, *((each.start, each.end) for each in tasks)])
    for each in tasks:
        assert sum(start < each.end and each.start < end for start, end in taken) == 1  # itself
        local = each.start.astimezone(zone), each.end.astimezone(zone)
        assert local[0].hour >= 9 and local[0].date() == local[1].date() and (local[1].hour, local[1].minute) <= (17, 0)
        assert local[0].weekday() < 5
    span = {each.id.int: (each.start, each.end) for each in tasks}
    group = {each.id.int: number for number, phase in enumerate(plan.phases) for each in phase.tasks}
    for each, needed in needs.items():
        for need in needed - {each}:
            circle = str(number(each)) in str(plan.notes.get("circles")) and str(number(need)) in str(
                plan.notes.get("circles")
            )
            assert circle or span[need][1] <= span[each][0]
            assert group[need] <= group[each]
