"""Dramatiq on Redis, jobs added one by one."""

from __future__ import annotations

import os
import sys
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.tally import tick

dramatiq.set_broker(RedisBroker(url=os.environ.get("REDIS_URL")))


@dramatiq.actor(actor_name="noop")
def noop() -> None:
    tick()


if __name__ == "__main__":
    begun = time.perf_counter()
    for _ in range(int(sys.argv[1])):
        noop.send()
    print(time.perf_counter() - begun)
