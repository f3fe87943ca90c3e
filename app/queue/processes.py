"""The workers and beats that are alive, one row each: what `/health` and `buildos status` look at."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from sqlalchemy import Connection, text

from app.queue.dispatching import undispatch_worker


def report(
    conn: Connection, name: str, kind: str, *, queues: Sequence[str] = (), concurrency: int | None = None, polled: bool = False
) -> bool:
    """A sign of life of a process of `kind` worker or beat; `polled` when it has looked for due jobs. Whether it shall drain."""
    return conn.execute(
        text(
            """
            insert into queue_processes (name, kind, host, pid, queues, concurrency, last_poll_at)
            values (:name, :kind, :host, :pid, :queues, :concurrency, case when :polled then clock_timestamp() end)
            on conflict (name) do update set
                heartbeat_at = clock_timestamp(), concurrency = excluded.concurrency,
                host = excluded.host, pid = excluded.pid, queues = excluded.queues, started_at = case
                    when (queue_processes.host, queue_processes.pid) = (excluded.host, excluded.pid)
                    then queue_processes.started_at else excluded.started_at end,
                last_poll_at = coalesce(excluded.last_poll_at, queue_processes.last_poll_at)
            returning draining
            """
        ),
        {
            "name": name,
            "kind": kind,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "queues": list(queues),
            "concurrency": concurrency,
            "polled": polled,
        },
    ).scalar_one()


def drain(conn: Connection, name: str, *, draining: bool = True) -> bool:
    """Have a worker take nothing more, or go on. It hears of it with the commit. False when no worker of that name is alive."""
    changed = conn.execute(
        text("update queue_processes set draining = :draining where name = :name and kind = 'worker'"),
        {"name": name, "draining": draining},
    ).rowcount
    if changed:
        conn.execute(text("select wake('queue_jobs', 'cancelled')"))  # what every heartbeat listens for: it looks at once
    return bool(changed)


def running_by_worker(conn: Connection) -> dict[str, int]:
    """How many jobs each worker runs, by its name."""
    rows = conn.execute(text("select worker, count(*) from queue_jobs where status = 'processing' group by worker"))
    return {worker: count for worker, count in rows if worker is not None}


def host_is_alive(conn: Connection, kind: str, host: str, *, within: float) -> bool:
    """Whether a process of that kind and host gave a sign of life in the last `within` seconds, by the database's clock."""
    return conn.execute(
        text(
            "select exists (select from queue_processes where kind = :kind and host = :host "
            "and heartbeat_at > clock_timestamp() - make_interval(secs => :within))"
        ),
        {"kind": kind, "host": host, "within": within},
    ).scalar_one()


def leave(conn: Connection, name: str) -> None:
    """The process ends: its row and its dispatch marks go."""
    conn.execute(text("delete from queue_processes where name = :name"), {"name": name})
    undispatch_worker(conn, name)


def bury_dead(conn: Connection, silent_seconds: float) -> list[str]:
    """Remove processes without a sign of life for that long, and take their dispatch marks back. Returns their names."""
    dead = list(
        conn.execute(
            text(
                "delete from queue_processes where name in (select name from queue_processes "
                "where heartbeat_at < clock_timestamp() - make_interval(secs => :silent) for update skip locked) returning name"
            ),
            {"silent": silent_seconds},
        ).scalars()
    )
    for name in dead:
        undispatch_worker(conn, name)
    return dead
