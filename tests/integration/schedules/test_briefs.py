"""The hourly tick of briefs, sentence by sentence of CONTRACT 7."""

from __future__ import annotations

import re
from datetime import time, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from app.features.schedules import service
from tests.integration.schedules.people import (
    EIGHT,
    LEAD,
    NINE,
    add_job,
    add_user,
    brief_reader,
    change,
    end_job,
    jobs,
    tick,
    wants_briefs,
)
from tests.integration.schedules.zones import utc

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_a_brief_starts_two_minutes_before_its_notification(conn: Connection) -> None:
    user = brief_reader(conn, "America/New_York", time(5), last_visit=NINE - DAY)
    assert tick(conn, EIGHT) == 1  # 05:00 in New York is 09:00 in UTC, since two days ago
    (job,) = jobs(conn)
    assert job.user_id == user
    assert job.job_type == "generate_daily_brief"
    assert job.scheduled_for == NINE - LEAD
    assert job.priority == 10
    assert job.dedup_key == f"brief-{user}-2026-03-10"
    assert re.fullmatch(rf"brief-{user}-2026-03-10-\d{{13}}-\w+", job.queue_job_id)
    assert job.metadata == {
        "briefDate": "2026-03-10",
        "timezone": "America/New_York",
        "notificationScheduledFor": "2026-03-10T09:00:00Z",
        "options": {"isReengagement": False, "daysSinceLastLogin": 1},
        "scheduled": True,
    }


def test_the_window_ends_an_hour_from_now_included(conn: Connection) -> None:
    on_the_hour = brief_reader(conn, at=time(9))
    brief_reader(conn, at=time(9, 0, 1))
    brief_reader(conn, at=time(8))  # its run is now: over
    assert tick(conn, EIGHT) == 1
    assert [job.user_id for job in jobs(conn)] == [on_the_hour]


def test_a_start_already_past_becomes_now(conn: Connection) -> None:
    brief_reader(conn, at=time(8, 1))
    assert tick(conn, EIGHT) == 1
    (job,) = jobs(conn)
    assert job.scheduled_for == EIGHT
    assert job.metadata["notificationScheduledFor"] == "2026-03-10T08:01:00Z"


def test_weekly_runs_on_its_day_and_custom_daily(conn: Connection) -> None:
    tuesday, monday, custom = add_user(conn), add_user(conn), add_user(conn)
    wants_briefs(conn, tuesday, frequency="weekly", day=2)
    wants_briefs(conn, monday, frequency="weekly", day=1)
    wants_briefs(conn, custom, frequency="custom", day=1)
    assert tick(conn, EIGHT) == 2
    assert {job.user_id for job in jobs(conn)} == {tuesday, custom}


def test_switched_off_means_no_brief(conn: Connection) -> None:
    user = brief_reader(conn)
    change(conn, "user_brief_preferences", user, is_active=False)
    assert tick(conn, EIGHT) == 0


@pytest.mark.parametrize("minutes, added", [(-31, 1), (-30, 0), (0, 0), (30, 0), (31, 1)])
def test_none_is_added_within_30_minutes_of_another_brief(conn: Connection, minutes: int, added: int) -> None:
    user = brief_reader(conn)
    add_job(conn, user, NINE - LEAD + minutes * MINUTE, briefDate="2026-03-01")
    assert tick(conn, EIGHT) == added


@pytest.mark.parametrize("how, added", [("completed", 0), ("failed", 1), ("cancelled", 1)])
def test_a_job_exists_unless_it_failed_or_was_cancelled(conn: Connection, how: str, added: int) -> None:
    user = brief_reader(conn)
    end_job(conn, add_job(conn, user, NINE - LEAD, key=f"brief-{user}-2026-03-10", briefDate="2026-03-10"), how)
    assert tick(conn, EIGHT) == added


def test_none_is_added_where_the_date_has_its_job(conn: Connection) -> None:
    user = brief_reader(conn)
    add_job(conn, user, NINE - 5 * HOUR, key=f"brief-{user}-2026-03-10", briefDate="2026-03-10")
    assert tick(conn, EIGHT) == 0


def test_another_users_job_and_another_type_do_not_count(conn: Connection) -> None:
    user = brief_reader(conn)
    add_job(conn, brief_reader(conn, at=time(20)), NINE - LEAD, briefDate="2026-03-10")
    conn.execute(
        text("select add_queue_job(:user, 'generate_phases', '{}', 5, :at)"), {"user": user, "at": NINE - LEAD}
    )
    assert tick(conn, EIGHT) == 1


def test_ticks_follow_each_other_without_gap_or_overlap(conn: Connection) -> None:
    user = brief_reader(conn)
    added = [tick(conn, utc(2026, 3, 10) + n * HOUR) for n in range(72)]
    assert sum(added) == 3
    assert [job.scheduled_for for job in jobs(conn, user)] == [NINE - LEAD + n * DAY for n in range(3)]


def test_a_missed_tick_is_caught_up(conn: Connection) -> None:
    nine, noon = brief_reader(conn, at=time(9)), brief_reader(conn, at=time(12))
    tick(conn, EIGHT - 2 * HOUR)
    late = NINE + 2 * HOUR + 30 * MINUTE  # four ticks were missed
    assert tick(conn, late) == 2
    assert [job.scheduled_for for job in jobs(conn, nine)] == [late]
    assert [job.scheduled_for for job in jobs(conn, noon)] == [utc(2026, 3, 10, 11, 58)]


def test_what_is_older_than_24_hours_is_dropped_and_logged(conn: Connection) -> None:
    user = brief_reader(conn)
    tick(conn, EIGHT - 5 * DAY)
    assert tick(conn, NINE + HOUR) == 1
    (job,) = (job for job in jobs(conn, user) if job.scheduled_for > NINE)
    assert job.metadata["briefDate"] == "2026-03-10"
    details = conn.execute(text("select details from activity_log where activity = 'schedule_window_dropped'")).scalar_one()
    assert details == {
        "schedule": "check_and_schedule_briefs", "from": "2026-03-05T09:00:00Z", "to": "2026-03-09T10:00:00Z",
    }  # fmt: skip


def test_a_day_of_outage_leaves_each_date_its_brief_unless_they_would_meet(conn: Connection) -> None:
    early, late = brief_reader(conn, at=time(9, 10)), brief_reader(conn, at=time(9, 50))
    tick(conn, EIGHT)
    tick(conn, EIGHT + 4 * DAY)  # its window: from 08:00 the day before to 09:00
    tick(conn, EIGHT + 4 * DAY + HOUR)
    for user in (early, late):
        waiting = [job.scheduled_for for job in jobs(conn, user) if job.scheduled_for >= EIGHT + 4 * DAY]
        assert all(b - a > 30 * MINUTE for a, b in pairwise(waiting))
        assert len(waiting) == 2


def test_of_two_left_over_runs_within_30_minutes_the_later_one_is_queued(conn: Connection) -> None:
    user = brief_reader(conn, at=time(8, 20))
    tick(conn, EIGHT - 10 * DAY)
    assert tick(conn, EIGHT) == 1  # yesterday's would start now, today's in 18 minutes
    assert jobs(conn, user)[-1].metadata["briefDate"] == "2026-03-10"


def test_the_first_tick_starts_at_its_own_instant(conn: Connection) -> None:
    brief_reader(conn, at=time(7, 30))
    assert tick(conn, EIGHT) == 0


def test_a_tick_for_an_earlier_instant_runs_as_given_and_moves_nothing(conn: Connection) -> None:
    brief_reader(conn)
    assert tick(conn, EIGHT) == 1
    assert tick(conn, EIGHT - DAY) == 1  # yesterday's brief
    assert tick(conn, EIGHT - DAY) == 0
    assert tick(conn, EIGHT) == 0
    assert tick(conn, NINE) == 0
    assert tick(conn, EIGHT + DAY) == 1


def test_an_unknown_zone_counts_as_utc_and_stops_nobody(conn: Connection) -> None:
    broken = brief_reader(conn, "UTC+3")  # Postgres would take it, as three hours west
    nonsense = brief_reader(conn, "Mars/Olympus Mons'; --")
    fine = brief_reader(conn, "Europe/London")
    assert tick(conn, EIGHT) == 3
    assert {job.user_id: job.metadata["timezone"] for job in jobs(conn)} == {
        broken: "UTC", nonsense: "UTC", fine: "Europe/London",
    }  # fmt: skip
    noted = conn.execute(text("select user_id from activity_log where activity = 'unknown_time_zone'")).scalars()
    assert set(noted) == {broken, nonsense}


def test_the_local_date_is_the_users_east_and_west_of_utc(conn: Connection) -> None:
    east, west = brief_reader(conn, "Pacific/Kiritimati", time(0, 30)), brief_reader(conn, "Pacific/Pago_Pago", time(23, 30))
    tick(conn, utc(2026, 3, 10, 10))
    assert [(job.user_id, job.metadata["briefDate"], job.scheduled_for) for job in jobs(conn)] == [
        (job_user, day, utc(2026, 3, 10, 10, 28)) for job_user, day in sorted(
            [(east, "2026-03-11"), (west, "2026-03-09")], key=lambda pair: f"brief-{pair[0]}"
        )
    ]  # fmt: skip


def test_a_run_that_is_moved_over_midnight_keeps_its_date(conn: Connection) -> None:
    """In Nuuk clocks go from 23:00 to midnight: Saturday's 23:30 is Sunday's 00:30, and Sunday has its own 23:30."""
    user = brief_reader(conn, "America/Nuuk", time(23, 30))
    for n in range(49):
        tick(conn, utc(2025, 3, 29, 12) + n * HOUR)
    assert [(job.metadata["briefDate"], job.metadata["notificationScheduledFor"]) for job in jobs(conn, user)] == [
        ("2025-03-29", "2025-03-30T01:30:00Z"),
        ("2025-03-30", "2025-03-31T00:30:00Z"),
    ]


def test_many_users_each_get_a_job_of_their_own(conn: Connection) -> None:
    conn.execute(
        text(
            "with added as (insert into users (email, timezone) select gen_random_uuid()::text, 'Europe/Berlin'"
            " from generate_series(1, 2000) returning id)"
            " insert into user_brief_preferences (user_id, time_of_day) select id, '10:00' from added"
        )
    )
    assert tick(conn, EIGHT) == 2000
    assert len({job.queue_job_id for job in jobs(conn)}) == 2000


def test_status_and_failure(conn: Connection) -> None:
    brief_reader(conn)
    service.run_schedule(conn, "check_and_schedule_briefs", EIGHT)
    service.record_failure(conn, "check_and_schedule_daily_sms", "the database is away")
    briefs, sms, *_ = service.schedule_status(conn, EIGHT + MINUTE)
    assert (briefs.name, briefs.last_run, briefs.covered_until, briefs.queued) == (
        "check_and_schedule_briefs", EIGHT, NINE, 1,
    )  # fmt: skip
    assert briefs.next_run == NINE
    assert (sms.last_run, sms.last_error, sms.next_run) == (None, "the database is away", utc(2026, 3, 11))
    with pytest.raises(service.UnknownSchedule):
        service.run_schedule(conn, str(uuid4()))


def test_a_schedule_is_missed_when_its_window_is_over(conn: Connection) -> None:
    briefs, sms, cleanup, recurring = every = sorted(service.SCHEDULES)
    assert service.missed(conn, EIGHT) == every
    for name in every:
        service.run_schedule(conn, name, EIGHT)
    assert service.missed(conn, NINE - MINUTE) == []
    assert service.missed(conn, NINE) == [briefs]
    assert service.missed(conn, utc(2026, 3, 11)) == [briefs, sms]
    assert service.missed(conn, utc(2026, 3, 11, 1)) == [briefs, sms, recurring]
    assert service.missed(conn, utc(2026, 3, 11, 4)) == [briefs, sms, cleanup, recurring]
