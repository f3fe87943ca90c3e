"""PgQueuer over asyncpg, jobs added a thousand at a time. `… work BATCH` runs them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import asyncpg
from pgqueuer import AsyncpgDriver, Job, PgQueuer, Queries

from bench.tally import stamp, tick


async def _connect() -> asyncpg.Connection:
    return await asyncpg.connect(os.environ["DATABASE_URL"])


async def work(batch: int) -> None:
    """Run jobs, fetched `batch` at a time, until SIGTERM."""
    queue = PgQueuer(AsyncpgDriver(await _connect()))

    @queue.entrypoint("noop")
    async def noop(job: Job) -> None:
        tick()
        if job.payload:
            stamp(job.payload.decode())

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, queue.shutdown.set)
    await queue.run(batch_size=batch)


async def main(what: str, *batch: str) -> None:
    if what == "work":
        return await work(int(*batch))
    connection = await _connect()
    queries = Queries(AsyncpgDriver(connection))
    if what == "schema":
        await queries.install()
    else:
        left, begun = int(what), time.perf_counter()
        while left > 0:
            number = min(left, 1000)
            await queries.enqueue(["noop"] * number, [None] * number, [0] * number)
            left -= number
        print(time.perf_counter() - begun)
    return await connection.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
