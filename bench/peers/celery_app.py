"""Stock Celery on Redis. BENCH_RESULTS: empty (no results), `redis` or `postgres`."""

from __future__ import annotations

import os
import sys
import time

from celery import Celery

from bench.tally import stamp, tick

_results = os.environ.get("BENCH_RESULTS", "")
_backends = {
    "": None,
    "redis": os.environ.get("REDIS_URL"),
    "postgres": "db+postgresql+psycopg://" + os.environ.get("DATABASE_URL", "").partition("://")[2],
}
app = Celery("stock", broker=os.environ.get("REDIS_URL"), backend=_backends[_results])
app.conf.update(task_ignore_result=not _results, broker_connection_retry_on_startup=True)


@app.task(name="bench.noop")
def noop(key: str | None = None) -> None:
    tick()
    if key:
        stamp(key)


def main(what: str) -> None:
    if what == "schema":
        app.backend.ResultSession()
        return
    begun = time.perf_counter()
    for _ in range(int(what)):
        noop.delay()
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main(sys.argv[1])
