"""Adds N no-op jobs of ours and prints the seconds it took: `python -m bench.adding sql|http|delay N`. `http` is `POST /queue/bulk`
with a thousand jobs each, to an API process that it starts and stops.

BENCH_JOB_TYPE names the type, `other` by default; types that need a user get one.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psycopg

from app.embedded.processes import free_port
from app.queue.catalog import JOB_TYPES
from app.settings import get_settings, plain_url
from bench.programs import Program, python, wait_for

MOST = 1000  # jobs a request of the bulk endpoint takes
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
    from tasks import celery

    with psycopg.connect(plain_url(get_settings().database_url)) as conn:
        user = a_user(conn)
    celery.loader.import_default_modules()
    task, metadata = celery.tasks[job_type()], json.loads(_METADATA.get(job_type(), "{}"))
    begun = time.perf_counter()
    for _ in range(jobs):
        task.delay(user, metadata)
    return time.perf_counter() - begun


def by_http(jobs: int) -> float:
    """A thousand a request, as a program does that has many."""
    with psycopg.connect(plain_url(get_settings().database_url)) as conn:
        user = a_user(conn)
    job = {"jobType": job_type(), "metadata": json.loads(_METADATA.get(job_type(), "{}")), **({"userId": str(user)} if user else {})}
    address = f"http://127.0.0.1:{(port := free_port())}"
    with tempfile.TemporaryDirectory() as folder:
        program = Program(python("-m", "app.web.main"), {**os.environ, "PORT": str(port)}, Path(folder) / "api.log")
        try:
            wait_for("the API answers", lambda: _answers(f"{address}/health"), [program], 60, every=0.1)
            begun = time.perf_counter()
            for first in range(0, jobs, MOST):
                body = json.dumps({"jobs": [job] * min(MOST, jobs - first)}).encode()
                request = urllib.request.Request(f"{address}/queue/bulk", body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=60) as answer:
                    if not json.load(answer)["success"]:
                        raise RuntimeError("POST /queue/bulk refused jobs")
            return time.perf_counter() - begun
        finally:
            program.stop()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


WAYS: dict[str, Callable[[int], float]] = {"sql": by_sql, "http": by_http, "delay": by_delay}


if __name__ == "__main__":
    print(WAYS[sys.argv[1]](int(sys.argv[2])))
