"""Adds N no-op jobs of ours and prints the seconds it took: `python -m bench.adding sql|http|delay N`.

BENCH_JOB_TYPE names the type, `other` by default; types that need a user get one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from uuid import UUID

import psycopg

from app.queue.catalog import JOB_TYPES
from app.settings import get_settings, plain_url

_METADATA = {"send_notification": '{"channel": "in-app", "eventType": "system.announcement", "payload": {"title": "bench"}}'}


def job_type() -> str:
    """The type of the jobs."""
    return os.environ.get("BENCH_JOB_TYPE", "other")


def a_user(conn: psycopg.Connection) -> UUID | None:
    """A user to add jobs for, or None when the type needs none."""
    if not JOB_TYPES[job_type()].needs_user:
        return None
    conn.execute("insert into users (email) values ('bench@example.com') on conflict do nothing")
    return conn.execute("select id from users where email = 'bench@example.com'").fetchone()[0]


def by_sql(jobs: int) -> float:
    """In one statement, as a SQL client would."""
    with psycopg.connect(plain_url(get_settings().database_url)) as conn:
        user = a_user(conn)
        begun = time.perf_counter()
        conn.execute(
            "select add_queue_job(%s, %s, %s::jsonb) from generate_series(1, %s)",
            [user, job_type(), _METADATA.get(job_type(), "{}"), jobs],
        )
        conn.commit()
        return time.perf_counter() - begun


def by_delay(jobs: int) -> float:
    """One by one, as a Celery client would."""
    import json

    from tasks import celery

    with psycopg.connect(plain_url(get_settings().database_url)) as conn:
        user = a_user(conn)
    celery.loader.import_default_modules()
    task, metadata = celery.tasks[job_type()], json.loads(_METADATA.get(job_type(), "{}"))
    begun = time.perf_counter()
    for _ in range(jobs):
        task.delay(user, metadata)
    return time.perf_counter() - begun


WAYS: dict[str, Callable[[int], float]] = {"sql": by_sql, "delay": by_delay}


if __name__ == "__main__":
    print(WAYS[sys.argv[1]](int(sys.argv[2])))
