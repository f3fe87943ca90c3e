"""RQ, jobs added one by one."""

from __future__ import annotations

import os
import sys
import time

from redis import Redis
from rq import Queue

if __name__ == "__main__":
    queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))
    begun = time.perf_counter()
    for _ in range(int(sys.argv[1])):
        queue.enqueue("bench.tally.tick", result_ttl=0)
    print(time.perf_counter() - begun)
