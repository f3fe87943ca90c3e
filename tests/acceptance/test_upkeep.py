"""Upkeep by a real worker, from the missed schedule to the archive; and a type that is paused while it works."""

from __future__ import annotations

from sqlalchemy import text

from tests.support.processes import Workers, wait_for
from tests.support.servers import Database


def test_the_day_s_upkeep_is_caught_up_and_done(database: Database, workers: Workers) -> None:
    with database.engine.begin() as conn:
        conn.execute(text("insert into users (email) values ('ada@example.com')"))
        conn.execute(
            text(
                "insert into tasks (user_id, title, status, due_date, completed_at, recurrence) "
                "select id, 'Water the plants', 'done', now(), now(), 'FREQ=DAILY' from users"
            )
        )
        conn.execute(text("select add_queue_job(null, 'other', '{}')"))
        conn.execute(text("update queue_jobs set status = 'cancelled'"))
        conn.execute(text("set local session_replication_role = replica"))
        conn.execute(text("update queue_jobs set processed_at = now() - interval '31 days', id = job_id_at(now() - interval '31 days')"))
        conn.execute(text("set local session_replication_role = origin"))
        conn.execute(text("insert into queue_settings (key, value) values ('paused.update_recurring_tasks', 'true')"))
    workers.start("-c", "1")
    workers.run("-m", "celery", "-A", "tasks", "call", "catch_up_schedules")

    def statuses() -> dict[str, str]:
        with database.engine.connect() as conn:
            return dict(map(tuple, conn.execute(text("select job_type::text, status::text from queue_jobs where user_id is null"))))

    wait_for(lambda: statuses().get("cleanup_old_data") == "completed", "the cleanup is done")
    wait_for(lambda: statuses().get("update_recurring_tasks") == "pending", "a paused type is queued, and waits")
    with database.engine.begin() as conn:
        result = conn.execute(text("select result from queue_jobs where job_type = 'cleanup_old_data'")).scalar_one()
        assert result == {"staleCancelled": 0, "archived": 1, "historiesRemoved": 0, "monthsDropped": []}
        assert conn.execute(text("select status::text from queue_jobs_archive")).scalars().all() == ["cancelled"]
        conn.execute(text("update queue_settings set value = 'false' where key = 'paused.update_recurring_tasks'"))
        conn.execute(text("select wake('queue_jobs', 'due')"))
    wait_for(lambda: statuses().get("update_recurring_tasks") == "completed", "it goes on")
    with database.engine.connect() as conn:
        assert conn.execute(text("select status from tasks order by created_at")).scalars().all() == ["done", "backlog"]
