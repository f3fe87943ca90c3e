"""The tick of event reminders at midnight UTC, sentence by sentence of CONTRACT 7."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from tests.integration.schedules.people import change, dates, end_job, jobs, sms_reader, sms_tick
from tests.integration.schedules.zones import utc

MIDNIGHT = utc(2026, 3, 10)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_a_job_for_the_users_day(conn: Connection) -> None:
    user = sms_reader(conn, "America/New_York", lead=30)
    sms_tick(conn, MIDNIGHT - DAY)
    assert sms_tick(conn, MIDNIGHT) == 1
    job = jobs(conn)[-1]
    assert job.job_type == "schedule_daily_sms"
    assert job.priority == 5
    assert job.scheduled_for == utc(2026, 3, 10, 4)  # when that day begins in New York
    assert job.dedup_key == f"schedule_daily_sms-{user}-2026-03-10"
    assert re.fullmatch(rf"schedule_daily_sms-{user}-\d{{13}}-\w+", job.queue_job_id)
    assert job.metadata == {
        "userId": str(user), "date": "2026-03-10", "timezone": "America/New_York", "leadTimeMinutes": 30, "scheduled": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "preference", [{"event_reminders_enabled": False}, {"phone_verified": False}, {"opted_out": True}]
)
def test_only_users_who_want_and_may_be_reminded(conn: Connection, preference: dict[str, bool]) -> None:
    sms_reader(conn, **preference)
    assert sms_tick(conn, MIDNIGHT) == 0


@pytest.mark.parametrize(
    "zone, first, second",
    [
        ("UTC", ["2026-03-10"], ["2026-03-11"]),
        ("Pacific/Kiritimati", ["2026-03-10", "2026-03-11"], ["2026-03-12"]),
        ("Asia/Kolkata", ["2026-03-10", "2026-03-11"], ["2026-03-12"]),
        ("America/Los_Angeles", ["2026-03-09", "2026-03-10"], ["2026-03-11"]),
        ("Pacific/Pago_Pago", ["2026-03-09", "2026-03-10"], ["2026-03-11"]),
    ],
)
def test_every_local_date_that_begins_before_the_next_run(
    conn: Connection, zone: str, first: list[str], second: list[str]
) -> None:
    """At the very first tick with the date that has begun; from then on each date once, before it begins."""
    user = sms_reader(conn, zone)
    sms_tick(conn, MIDNIGHT)
    assert dates(conn, user) == first
    assert jobs(conn, user)[0].scheduled_for == MIDNIGHT
    sms_tick(conn, MIDNIGHT + DAY)
    assert dates(conn, user) == first + second
    assert jobs(conn, user)[-1].scheduled_for >= MIDNIGHT + DAY


def test_a_missed_midnight_is_caught_up(conn: Connection) -> None:
    east, west = sms_reader(conn, "Asia/Tokyo"), sms_reader(conn, "America/Los_Angeles")
    sms_tick(conn, MIDNIGHT - DAY)
    late = MIDNIGHT + 6 * HOUR
    assert sms_tick(conn, late) == 2
    assert (dates(conn, east)[-1], jobs(conn, east)[-1].scheduled_for) == ("2026-03-11", utc(2026, 3, 10, 15))
    assert (dates(conn, west)[-1], jobs(conn, west)[-1].scheduled_for) == ("2026-03-10", utc(2026, 3, 10, 7))


def test_a_date_that_is_over_is_not_made_up(conn: Connection) -> None:
    user = sms_reader(conn)
    sms_tick(conn, MIDNIGHT - 4 * DAY)
    sms_tick(conn, MIDNIGHT + 7 * HOUR)
    assert dates(conn, user) == ["2026-03-06", "2026-03-10"]
    assert jobs(conn, user)[-1].scheduled_for == MIDNIGHT + 7 * HOUR
    dropped = conn.execute(text("select details ->> 'schedule' from activity_log")).scalars().all()
    assert dropped == ["check_and_schedule_daily_sms"]


def test_two_ticks_queue_nothing_twice(conn: Connection) -> None:
    user = sms_reader(conn, "Asia/Tokyo")
    assert sms_tick(conn, MIDNIGHT) == 2
    assert sms_tick(conn, MIDNIGHT) == 0
    assert sms_tick(conn, MIDNIGHT - HOUR) == 0  # as given, and found
    end_job(conn, jobs(conn, user)[0].id, "cancelled")
    assert sms_tick(conn, MIDNIGHT + HOUR) == 0  # a person cancelled it: it stays so


def test_a_beat_whose_clock_is_ahead_ticks_for_the_day_that_begins(conn: Connection) -> None:
    user = sms_reader(conn)
    sms_tick(conn, MIDNIGHT - timedelta(seconds=2))
    assert dates(conn, user) == ["2026-03-09", "2026-03-10"]


def test_a_day_that_begins_without_midnight_and_one_that_a_zone_skips(conn: Connection) -> None:
    cairo, apia = sms_reader(conn, "Africa/Cairo"), sms_reader(conn, "Pacific/Apia")
    sms_tick(conn, utc(2025, 4, 24))
    assert [(job.metadata["date"], job.scheduled_for) for job in jobs(conn, cairo)] == [
        ("2025-04-24", utc(2025, 4, 24)),
        ("2025-04-25", utc(2025, 4, 24, 22)),  # clocks go from 00:00 to 01:00
    ]
    conn.execute(text("update schedule_runs set last_success = null, covered_until = null"))
    for n in range(3):
        sms_tick(conn, utc(2011, 12, 29) + n * DAY)
    assert [day for day in dates(conn, apia) if day < "2020"] == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"]


def test_an_unknown_zone_counts_as_utc(conn: Connection) -> None:
    sms_reader(conn, "UTC+3")
    assert sms_tick(conn, MIDNIGHT) == 1
    assert jobs(conn)[0].metadata["timezone"] == "UTC"


@pytest.fixture
def covered(conn: Connection) -> datetime:
    """A tick that has covered today, by the database's clock."""
    now = conn.execute(text("select now()")).scalar_one()
    sms_tick(conn, now)
    return now


def test_a_preference_that_is_added_is_queued_at_once(conn: Connection, covered: datetime) -> None:
    user = sms_reader(conn)
    assert dates(conn, user)[0] == covered.strftime("%Y-%m-%d")


@pytest.mark.parametrize("column, off", [("opted_out", True), ("event_reminders_enabled", False), ("phone_verified", False)])
def test_switching_off_cancels_and_on_queues_again(conn: Connection, covered: datetime, column: str, off: bool) -> None:
    user = sms_reader(conn)
    queued = dates(conn, user)
    change(conn, "user_sms_preferences", user, **{column: off})
    assert dates(conn, user) == []
    change(conn, "user_sms_preferences", user, **{column: not off})
    assert dates(conn, user) == queued


def test_another_lead_time_reaches_the_queued_job(conn: Connection, covered: datetime) -> None:
    user = sms_reader(conn)
    before = [job.id for job in jobs(conn, user)]
    change(conn, "user_sms_preferences", user, event_reminder_lead_time_minutes=45)
    assert [(job.id, job.metadata["leadTimeMinutes"]) for job in jobs(conn, user)] == [(id, 45) for id in before]


def test_a_user_who_moves_takes_his_days_along(conn: Connection) -> None:
    moment = utc(2030, 1, 10)
    user = sms_reader(conn, "Asia/Tokyo")
    sms_tick(conn, moment)
    assert dates(conn, user) == ["2030-01-10", "2030-01-11"]
    conn.execute(text("set local session_replication_role = replica"))
    change(conn, "users", user, timezone="America/New_York")
    conn.execute(text("set local session_replication_role = origin"))
    conn.execute(
        text("select reschedule_daily_sms(array[cast(:user as uuid)], :now)"), {"user": user, "now": moment + HOUR}
    )
    assert [(job.metadata["date"], job.scheduled_for.day, job.scheduled_for.hour) for job in jobs(conn, user)[1:]] == [
        ("2030-01-10", 10, 5),
        ("2030-01-11", 11, 5),
    ]
    assert dates(conn, user)[0] == "2030-01-09"  # it is still that day in New York
    assert {job.metadata["timezone"] for job in jobs(conn, user)} == {"America/New_York"}


def test_a_user_who_moves_by_the_databases_clock(conn: Connection, covered: datetime) -> None:
    user = sms_reader(conn, "UTC")
    change(conn, "users", user, timezone="Pacific/Kiritimati")
    assert {job.metadata["timezone"] for job in jobs(conn, user)} == {"Pacific/Kiritimati"}
    assert len(dates(conn, user)) == len(set(dates(conn, user))) >= 1
