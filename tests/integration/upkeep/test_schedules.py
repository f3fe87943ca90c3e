"""The daily schedules of upkeep add their jobs once a day, and again when a person asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.features.schedules import service as schedules
from tests.integration.upkeep.conftest import World

DAY = datetime(2031, 3, 10, 3, 20, tzinfo=UTC)


@pytest.mark.parametrize(("name", "job_type"), schedules.UPKEEP.items(), ids=schedules.UPKEEP)
def test_once_a_day(world: World, name: str, job_type: str) -> None:
    with world.database.engine.begin() as conn:
        assert [schedules.run_schedule(conn, name, DAY + timedelta(hours=hours)) for hours in (0, 1, 24, 25)] == [1, 0, 1, 0]
        found = {row.name: row for row in schedules.schedule_status(conn, DAY + timedelta(hours=25))}[name]
    assert (found.last_run, found.queued) == (DAY + timedelta(hours=25), 0) and found.next_run > found.last_run
    jobs = world.sql.run("select job_type::text, user_id, metadata, dedup_key, priority from queue_jobs order by id")
    assert jobs == [
        {"job_type": job_type, "user_id": None, "metadata": {"date": day}, "dedup_key": f"{job_type}-{day}", "priority": 10}
        for day in ("2031-03-10", "2031-03-11")
    ]


def test_by_hand_again_once_it_is_through(world: World) -> None:
    with world.database.engine.begin() as conn:
        assert [schedules.run_schedule(conn, "schedule_cleanup", DAY, by_hand=True) for _ in range(2)] == [1, 0], "it waits still"
    (job,) = world.sql.claim("cleanup_old_data")
    world.sql.run("select complete_queue_job(%s)", job["id"])
    with world.database.engine.begin() as conn:
        assert schedules.run_schedule(conn, "schedule_cleanup", DAY) == 0
        assert schedules.run_schedule(conn, "schedule_cleanup", DAY, by_hand=True) == 1
