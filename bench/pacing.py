"""Adds jobs at a steady rate and writes down when each was begun to be added: `python -m bench.pacing WAY RATE SECONDS FILE`.

WAY is sql, http, celery, procrastinate or pgqueuer. A job that is late because the one before it took long is added at once;
its time counts from the moment it was meant to be added, so that a queue in front of the system is not hidden.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from urllib.parse import urlsplit

Add = Callable[[str], None]
THREADS = 4  # who add at the same time, each with a connection of its own

USER, API = "BENCH_USER", "BENCH_API"  # whose jobs; where the API is


def key_of(number: int, way: str) -> str:
    """The key of a job: a date where the job is a brief."""
    return (date(2000, 1, 1) + timedelta(days=number)).isoformat() if way == "http" else f"k{number}"


def by_sql() -> Add:
    import psycopg

    conn = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    statement = "select add_queue_job(%s, 'other', jsonb_build_object('stamp', %s::text))"
    return lambda key: conn.execute(statement, [os.environ[USER], key]) and None


def by_http() -> Add:
    target = urlsplit(os.environ[API])
    conn = http.client.HTTPConnection(target.hostname, target.port)

    def add(key: str) -> None:
        body = json.dumps({"userId": os.environ[USER], "briefDate": key, "forceImmediate": True})
        for attempt in (1, 2):
            try:
                conn.request("POST", "/queue/brief", body, {"Content-Type": "application/json"})
                answer = conn.getresponse()
                break
            except (http.client.HTTPException, ConnectionError):  # an idle connection was closed
                conn.close()
                if attempt == 2:
                    raise
        if answer.read() and answer.status >= 300:
            raise RuntimeError(f"POST /queue/brief answered {answer.status}")

    return add


def by_celery() -> Add:
    from bench.peers.celery_app import noop

    return lambda key: noop.delay(key) and None


def by_procrastinate() -> Add:
    from procrastinate import App, SyncPsycopgConnector

    # An app of its own: a task of the workers' app would be added over that app's connector, which nobody opens here.
    client = App(connector=SyncPsycopgConnector(conninfo=os.environ["DATABASE_URL"]))
    client.open()
    return lambda key: client.configure_task("bench.noop").defer(key=key) and None


def by_pgqueuer() -> Add:
    import asyncpg
    from pgqueuer import AsyncpgDriver, Queries

    loop = asyncio.new_event_loop()
    queries = Queries(AsyncpgDriver(loop.run_until_complete(asyncpg.connect(os.environ["DATABASE_URL"]))))
    return lambda key: loop.run_until_complete(queries.enqueue("noop", key.encode())) and None


WAYS: dict[str, Callable[[], Add]] = {
    "sql": by_sql, "http": by_http, "celery": by_celery, "procrastinate": by_procrastinate, "pgqueuer": by_pgqueuer,
}  # fmt: skip


def pace(way: str, rate: float, seconds: float) -> dict[str, float]:
    """Add jobs for that long; returns when each was due to be added, by key."""
    number, turns, due = int(rate * seconds), iter(range(int(rate * seconds))), {}
    lock, begin = threading.Lock(), time.time() + 0.5

    def adder() -> None:
        add = WAYS[way]()
        while True:
            with lock:
                turn = next(turns, None)
            if turn is None:
                return
            at = begin + turn / rate
            time.sleep(max(0.0, at - time.time()))
            key = key_of(turn, way)
            due[key] = max(at, time.time()) if turn < THREADS else at  # the first ones connect
            add(key)

    adders = min(THREADS, max(1, number))
    with ThreadPoolExecutor(adders) as threads:
        for done in [threads.submit(adder) for _ in range(adders)]:
            done.result()  # what went wrong there is raised here
    return due


if __name__ == "__main__":
    _way, _rate, _seconds, _file = sys.argv[1:]
    with open(_file, "w", encoding="utf-8") as _out:
        json.dump(pace(_way, float(_rate), float(_seconds)), _out)
