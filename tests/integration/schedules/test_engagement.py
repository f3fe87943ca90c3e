"""Engagement backoff: who stays away is written to at 4, 10, 31, 62, 93… days, once each (CONTRACT 7)."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import Connection, text

from tests.integration.schedules.people import EIGHT, brief_reader, change, end_job, jobs, tick
from tests.integration.schedules.zones import utc

DAY = timedelta(days=1)
STEPS = [4, 10, 31, 62, 93]


@pytest.fixture(autouse=True)
def backoff(conn: Connection) -> None:
    conn.execute(text("update queue_settings set value = 'true' where key = 'ENGAGEMENT_BACKOFF_ENABLED'"))


def days_of_briefs(conn: Connection, visit: datetime, days: list[int]) -> list[tuple[int, bool]]:
    """Tick at eight on those days after a visit; on which days was a brief queued, and was it a re-engagement?"""
    got = []
    for day in days:
        start = EIGHT.replace(year=visit.year, month=visit.month, day=visit.day) + day * DAY
        before = {job.id for job in jobs(conn, status=None)}
        # Nothing is caught up here: what happened on days without a tick is lost for good.
        conn.execute(text("update schedule_runs set last_success = null, covered_until = null"))
        tick(conn, start)
        for job in jobs(conn, status=None):
            if job.id not in before:
                assert job.metadata["options"]["daysSinceLastLogin"] == day
                got.append((day, job.metadata["options"]["isReengagement"]))
    return got


@pytest.mark.parametrize("visited_at", [0, 12, 23.9])
def test_each_step_once_on_its_day(conn: Connection, visited_at: float) -> None:
    visit = utc(2026, 1, 5) + timedelta(hours=visited_at)
    brief_reader(conn, last_visit=visit)
    got = days_of_briefs(conn, visit, list(range(1, 100)))
    assert got == [(1, False), (2, False), *((step, True) for step in STEPS)]


def test_a_missed_step_is_made_up_before_the_next(conn: Connection) -> None:
    visit = utc(2026, 1, 5, 12)
    brief_reader(conn, last_visit=visit)
    ticks = [1, 3, 7, 8, 9, 32, 33, 61, 92, 93, 94]
    assert days_of_briefs(conn, visit, ticks) == [(1, False), (7, True), (32, True), (92, True), (93, True)]


def test_a_weekly_reader_gets_the_steps_at_his_next_run(conn: Connection) -> None:
    visit = utc(2026, 1, 5, 12)  # a Monday, as his briefs
    brief_reader(conn, last_visit=visit, frequency="weekly", day=1)
    got = days_of_briefs(conn, visit, list(range(1, 70)))
    assert got == [(7, True), (14, True), (35, True), (63, True)]


@pytest.mark.parametrize("how, made_up", [("completed", []), ("failed", [(5, True)]), ("cancelled", [(5, True)])])
def test_a_step_whose_job_failed_counts_as_missed(conn: Connection, how: str, made_up: list) -> None:
    visit = utc(2026, 1, 5, 12)
    brief_reader(conn, last_visit=visit)
    assert days_of_briefs(conn, visit, [4]) == [(4, True)]
    end_job(conn, jobs(conn)[0].id, how)
    assert days_of_briefs(conn, visit, [5, 6]) == made_up


def test_a_visit_starts_again(conn: Connection) -> None:
    visit = utc(2026, 1, 5, 12)
    user = brief_reader(conn, last_visit=visit)
    assert days_of_briefs(conn, visit, [4, 10]) == [(4, True), (10, True)]
    again = visit + 20 * DAY
    change(conn, "users", user, last_visit=again)
    assert days_of_briefs(conn, again, list(range(1, 12))) == [(1, False), (2, False), (4, True), (10, True)]


def test_who_never_came_counts_from_the_sign_up(conn: Connection) -> None:
    user = brief_reader(conn)
    change(conn, "users", user, created_at=utc(2026, 1, 5, 12))
    assert days_of_briefs(conn, utc(2026, 1, 5), [2, 3, 4, 5]) == [(2, False), (4, True)]


def test_days_are_the_users_own(conn: Connection) -> None:
    """23:30 in Honolulu is a day later in UTC: the visit counts to the local day."""
    brief_reader(conn, "Pacific/Honolulu", time(22, 30), last_visit=utc(2026, 1, 6, 9, 30))  # 5 January, 23:30
    assert tick(conn, utc(2026, 1, 9, 8)) == 0  # 8 January, day 3
    assert tick(conn, utc(2026, 1, 10, 8)) == 1  # 9 January, day 4


def test_an_outage_over_two_runs_writes_once(conn: Connection) -> None:
    brief_reader(conn, at=time(8, 10), last_visit=utc(2026, 3, 4, 12))
    tick(conn, EIGHT - 5 * DAY)
    assert tick(conn, EIGHT) == 1  # days 5 and 6 are both in its window
    assert jobs(conn)[-1].metadata["options"] == {"isReengagement": True, "daysSinceLastLogin": 6}


def test_switched_off_everybody_gets_his_brief(conn: Connection) -> None:
    conn.execute(text("update queue_settings set value = 'false' where key = 'ENGAGEMENT_BACKOFF_ENABLED'"))
    brief_reader(conn, last_visit=EIGHT - 50 * DAY)
    assert tick(conn, EIGHT) == 1
    assert jobs(conn)[0].metadata["options"]["isReengagement"] is False
