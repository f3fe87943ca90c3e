"""A change of preferences takes effect at once, on the queued job too (CONTRACT 7).

Where the moment matters the rule is called with one; the triggers, which use the database's clock, are tried with times
relative to it.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from app.features.schedules.rules import BriefTime, next_brief_run
from tests.integration.schedules.people import (
    EIGHT,
    LEAD,
    NINE,
    add_job,
    add_user,
    brief_reader,
    change,
    dates,
    jobs,
    tick,
    wants_briefs,
)
from tests.integration.schedules.zones import utc

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def now(conn: Connection) -> datetime:
    return conn.execute(text("select now()")).scalar_one()


def silently(conn: Connection, user: UUID, **columns: Any) -> None:
    """Change preferences without the triggers, to call what they call at a moment of our own."""
    conn.execute(text("set local session_replication_role = replica"))
    change(conn, "user_brief_preferences", user, **columns)
    conn.execute(text("set local session_replication_role = origin"))


def changed_at(conn: Connection, user: UUID, moment: datetime) -> None:
    conn.execute(text("select reschedule_briefs(array[cast(:user as uuid)], :now)"), {"user": user, "now": moment})


def test_a_time_that_moves_takes_the_queued_job_along(conn: Connection) -> None:
    user = brief_reader(conn)
    tick(conn, EIGHT)
    (before,) = jobs(conn)
    silently(conn, user, time_of_day=time(18))
    changed_at(conn, user, EIGHT + 10 * MINUTE)
    (job,) = jobs(conn)
    assert (job.id, job.dedup_key) == (before.id, before.dedup_key)
    assert job.scheduled_for == utc(2026, 3, 10, 18) - LEAD
    assert job.metadata["notificationScheduledFor"] == "2026-03-10T18:00:00Z"
    assert sum(tick(conn, EIGHT + n * HOUR) for n in range(1, 12)) == 0  # it is that day's brief


def test_a_time_that_is_over_today_cancels_the_queued_job(conn: Connection) -> None:
    user = brief_reader(conn)
    tick(conn, EIGHT)
    silently(conn, user, time_of_day=time(7))
    changed_at(conn, user, EIGHT + 10 * MINUTE)
    assert jobs(conn) == []
    (job,) = jobs(conn, status="cancelled")
    message = conn.execute(text("select message from job_events where job_id = :id and \"to\" = 'cancelled'"), {"id": job.id})
    assert message.scalar_one() == "the schedule changed"
    tick(conn, utc(2026, 3, 11, 6))
    assert dates(conn, user) == ["2026-03-11"]


def test_a_time_within_the_covered_hour_is_queued_at_once(conn: Connection) -> None:
    user = brief_reader(conn, at=time(20))
    tick(conn, EIGHT)
    silently(conn, user, time_of_day=time(8, 40))
    changed_at(conn, user, EIGHT + 10 * MINUTE)
    (job,) = jobs(conn)
    assert job.scheduled_for == utc(2026, 3, 10, 8, 38)
    assert tick(conn, NINE) == 0


def test_a_time_beyond_the_covered_hour_is_left_to_its_tick(conn: Connection) -> None:
    user = brief_reader(conn, at=time(20))
    tick(conn, EIGHT)
    silently(conn, user, time_of_day=time(9, 40))
    changed_at(conn, user, EIGHT + 10 * MINUTE)
    assert jobs(conn) == []
    assert tick(conn, NINE) == 1


def test_weekly_on_another_day_cancels(conn: Connection) -> None:
    user = brief_reader(conn)
    tick(conn, EIGHT)
    silently(conn, user, frequency="weekly", day_of_week=3)
    changed_at(conn, user, EIGHT + 10 * MINUTE)
    assert jobs(conn) == []


def test_a_job_that_is_due_already_just_runs(conn: Connection) -> None:
    user = brief_reader(conn)
    tick(conn, EIGHT)
    silently(conn, user, time_of_day=time(8, 30))
    changed_at(conn, user, NINE + 30 * MINUTE)  # no worker has taken it yet
    assert dates(conn, user) == ["2026-03-10"]


def test_a_job_that_has_run_before_keeps_the_time_of_its_next_try(conn: Connection) -> None:
    user = brief_reader(conn)
    tick(conn, EIGHT)
    (job,) = jobs(conn)
    conn.execute(text("select claim_job(:id, 'task', 'worker')"), {"id": job.id})
    conn.execute(text("select fail_queue_job(:id, 'away', true)"), {"id": job.id})
    (before,) = jobs(conn, status="retrying")
    change(conn, "user_brief_preferences", user, time_of_day=time(23, 59))
    assert jobs(conn, status="retrying") == [before]
    change(conn, "user_brief_preferences", user, is_active=False)
    assert jobs(conn, status="retrying") == []


def soon(now: datetime, minutes: int = 30) -> time:
    return (now + minutes * MINUTE).time()


def test_switching_off_cancels_and_switching_on_queues_again(conn: Connection, now: datetime) -> None:
    user = brief_reader(conn, at=soon(now))
    assert tick(conn, now) == 1
    change(conn, "user_brief_preferences", user, is_active=False)
    assert jobs(conn) == []
    change(conn, "user_brief_preferences", user, is_active=True)
    (job,) = jobs(conn)
    assert job.scheduled_for == now + 28 * MINUTE


def test_deleting_a_preference_cancels(conn: Connection, now: datetime) -> None:
    user = brief_reader(conn, at=soon(now))
    tick(conn, now)
    conn.execute(text("delete from user_brief_preferences where user_id = :user"), {"user": user})
    assert jobs(conn) == []


def test_a_preference_that_is_added_is_queued_at_once(conn: Connection, now: datetime) -> None:
    tick(conn, now)
    user = brief_reader(conn, at=soon(now))
    (job,) = jobs(conn, user)
    assert job.scheduled_for == now + 28 * MINUTE
    assert tick(conn, now + 59 * MINUTE) == 0


def test_nothing_is_queued_before_the_first_tick_or_beyond_its_hour(conn: Connection, now: datetime) -> None:
    brief_reader(conn, at=soon(now))
    assert jobs(conn) == []
    tick(conn, now - 2 * HOUR)
    brief_reader(conn, at=soon(now))
    tick(conn, now + 300 * 24 * HOUR)  # a tick for an instant far away covers nothing now
    brief_reader(conn, at=soon(now))
    assert [job for job in jobs(conn) if job.scheduled_for < now + HOUR] == []


def test_a_move_to_another_time(conn: Connection, now: datetime) -> None:
    user = brief_reader(conn, at=soon(now))
    tick(conn, now)
    change(conn, "user_brief_preferences", user, time_of_day=soon(now, 45))
    (job,) = jobs(conn)
    assert job.scheduled_for == now + 43 * MINUTE


def test_a_user_who_moves_takes_his_brief_along(conn: Connection) -> None:
    moment = utc(2030, 1, 10, 12)
    user = brief_reader(conn, "Europe/Berlin", time(13, 30))
    tick(conn, moment)
    assert jobs(conn)[0].scheduled_for == utc(2030, 1, 10, 12, 28)
    change(conn, "users", user, timezone="America/New_York")
    (job,) = jobs(conn)
    assert job.scheduled_for == utc(2030, 1, 10, 18, 28)
    assert job.metadata["timezone"] == "America/New_York"
    change(conn, "users", user, timezone="nowhere")
    assert jobs(conn)[0].scheduled_for == utc(2030, 1, 10, 13, 28)


def test_a_visit_or_another_column_changes_no_job(conn: Connection, now: datetime) -> None:
    user = brief_reader(conn, at=soon(now))
    tick(conn, now)
    before = jobs(conn)
    change(conn, "users", user, last_visit=now, timezone="UTC")
    change(conn, "user_brief_preferences", user, email_enabled=True)
    assert jobs(conn) == before


def test_a_job_that_a_person_asked_for_is_left_alone(conn: Connection, now: datetime) -> None:
    user = brief_reader(conn, at=soon(now))
    asked = add_job(conn, user, now + 5 * HOUR, briefDate="2026-03-10")
    tick(conn, now)
    (scheduled,) = (job.id for job in jobs(conn) if job.id != asked)
    conn.execute(text("select reschedule_queue_job(:id, now(), 1)"), {"id": scheduled})  # brought forward
    before = jobs(conn)
    change(conn, "user_brief_preferences", user, is_active=False)
    assert jobs(conn) == before


def test_a_dispatched_job_that_moves_is_dispatched_again(conn: Connection) -> None:
    user = brief_reader(conn)
    tick(conn, EIGHT)
    assert len(conn.execute(text("select * from dispatch_jobs('{generate_daily_brief}', 5, 'me')")).all()) == 1
    silently(conn, user, time_of_day=time(18))
    changed_at(conn, user, EIGHT + 10 * MINUTE)
    assert jobs(conn)[0].dispatched_at is None


def test_many_preferences_in_one_statement(conn: Connection, now: datetime) -> None:
    users = [add_user(conn) for _ in range(50)]
    for user in users[:25]:
        wants_briefs(conn, user, at=soon(now))
    assert tick(conn, now) == 25
    conn.execute(
        text("insert into user_brief_preferences (user_id, time_of_day) select unnest(cast(:users as uuid[])), :at"),
        {"users": users[25:], "at": soon(now, 20)},
    )
    assert len(jobs(conn)) == 50
    conn.execute(text("update user_brief_preferences set time_of_day = :at"), {"at": soon(now, 50)})
    assert {job.scheduled_for for job in jobs(conn)} == {now + 48 * MINUTE}
    conn.execute(text("delete from user_brief_preferences"))
    assert jobs(conn) == []


def test_the_next_run_is_the_one_the_rule_names(conn: Connection, now: datetime) -> None:
    tick(conn, now)
    brief_reader(conn, "Asia/Kathmandu", (now + 45 * MINUTE + timedelta(hours=5, minutes=45)).time())
    (job,) = jobs(conn)
    local = time.fromisoformat((now + 45 * MINUTE + timedelta(hours=5, minutes=45)).time().isoformat())
    assert job.scheduled_for == next_brief_run(BriefTime("daily", local, 1, "Asia/Kathmandu"), now) - LEAD
