"""What Beat sends is done by a worker, in real processes."""

from __future__ import annotations

import subprocess
import sys

from sqlalchemy import text

from beat_schedule import BEAT_SCHEDULE
from tests.support.processes import Workers, wait_for
from tests.support.servers import ROOT, Database


def test_every_entry_of_the_beat_schedule_has_its_task() -> None:
    """Asked in a process of its own: the Celery app reads its settings once."""
    code = "from tasks import celery; celery.loader.import_default_modules(); print(*celery.tasks)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {entry["task"] for entry in BEAT_SCHEDULE.values()} <= set(done.stdout.split())


def test_a_missed_tick_is_caught_up_by_a_worker(database: Database, workers: Workers) -> None:
    with database.engine.begin() as conn:
        user = conn.execute(text("insert into users (email) values ('a@example.com') returning id")).scalar_one()
        conn.execute(
            text(
                "insert into user_brief_preferences (user_id, time_of_day)"
                " values (:user, ((now() + interval '30 minutes') at time zone 'UTC')::time)"
            ),
            {"user": user},
        )
    workers.start("-c", "1")
    workers.run("-m", "celery", "-A", "tasks", "call", "catch_up_schedules")

    def ticks() -> int:
        with database.engine.connect() as conn:
            return conn.execute(text("select count(last_success) from schedule_runs where last_error is null")).scalar_one()

    wait_for(lambda: ticks() == 4, "all schedules have ticked")
    with database.engine.connect() as conn:
        job = conn.execute(text("select * from queue_jobs where user_id = :user"), {"user": user}).one()
    assert (job.job_type, job.status, job.metadata["scheduled"]) == ("generate_daily_brief", "pending", True)
