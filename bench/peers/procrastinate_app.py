"""Procrastinate: asynchronous no-op jobs, added a thousand at a time."""

from __future__ import annotations

import os
import sys
import time

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from bench.tally import stamp, tick

_url = os.environ.get("DATABASE_URL", "")
app = App(connector=PsycopgConnector(conninfo=_url))


@app.task(name="bench.noop")
async def noop(key: str | None = None) -> None:
    tick()
    if key:
        stamp(key)


def main(what: str) -> None:
    with app.replace_connector(SyncPsycopgConnector(conninfo=_url)) as client, client.open():
        if what == "schema":
            client.schema_manager.apply_schema()
            return
        left, begun = int(what), time.perf_counter()
        while left > 0:
            client.tasks["bench.noop"].batch_defer(*({} for _ in range(min(left, 1000))))
            left -= 1000
        print(time.perf_counter() - begun)


if __name__ == "__main__":
    main(sys.argv[1])
