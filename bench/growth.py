"""What the hot statements cost while the tables grow. Method: README.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from app.db.engine import make_engine
from app.queue import claims, dispatching, reads, upkeep
from app.queue.measures import read_state
from app.settings import load_settings
from bench import picture, servers
from bench.report import Report
from bench.servers import Place
from bench.statistics import median

USERS = 1_000
MOST_PENDING = 1_000_000
BATCH = 100
LOOKS = 25  # of each statement, of which the median counts
TRANSITIONS = 10_000  # jobs that are dispatched and completed, for HOT updates and dead rows
# Loading a million rows should not be stopped by checkpoints; it changes nothing about the reads that are timed.
OPTIONS = {"max_wal_size": "8GB", "checkpoint_timeout": "30min"}


@dataclass(frozen=True)
class Options:
    """Sizes of the table: terminal rows, and as many pending ones up to a million."""

    sizes: tuple[int, ...] = (10_000, 1_000_000)
    say: Callable[[str], None] = lambda _line: None


def run(options: Options) -> Report:
    """Load each size into a database of its own and time the statements."""
    results: dict[str, dict[str, float]] = {}
    with servers.running(OPTIONS) as both:
        for size in options.sizes:
            with both.place() as place:
                begun = time.perf_counter()
                _load(place, size)
                options.say(f"{size:,} terminal rows loaded in {time.perf_counter() - begun:.0f} s")
                results[f"{size:,}"] = _measure(place)
    return _report(options, results)


def _load(place: Place, size: int) -> None:
    """Rows as work would have left them, with triggers off; then known to the planner."""
    conn, pending = place.conn, min(size, MOST_PENDING)
    conn.execute("set session_replication_role = replica")
    conn.execute(
        "insert into users (email) select 'bench' || n || '@example.com' from generate_series(1, %s) n", [USERS]
    )
    conn.execute("create temp table who as select row_number() over () - 1 as n, id from users")
    conn.execute(
        "insert into queue_jobs (queue_job_id, user_id, job_type, status, metadata, result, created_at, updated_at, scheduled_for, "
        "  started_at, processed_at, completed_at, fencing_token) "
        "select 'done-' || g, w.id, 'other', 'completed', '{}', '{}', at, at, at, at, at, at, 1 "
        "from generate_series(1, %(size)s) g join who w on w.n = g %% %(users)s "
        "cross join lateral (select now() - interval '90 days' * (1 - g::float8 / %(size)s) as at) t",
        {"size": size, "users": USERS},
    )
    conn.execute(
        "insert into queue_jobs (queue_job_id, user_id, job_type, metadata, priority, scheduled_for) "
        "select 'due-' || g, w.id, 'other', '{}', 1 + g %% 10, now() - interval '1 minute' + interval '1 second' * (g %% 100) "
        "from generate_series(1, %(pending)s) g join who w on w.n = g %% %(users)s",
        {"pending": pending, "users": USERS},
    )
    conn.execute("insert into queue_counts select job_type, status, count(*) from queue_jobs group by 1, 2")
    conn.execute("update queue_counts_fold set as_of = pg_snapshot_xmin(pg_current_snapshot())")
    conn.execute("set session_replication_role = origin")
    conn.execute("vacuum analyze")
    conn.execute("checkpoint")


def _measure(place: Place) -> dict[str, float]:
    settings = load_settings(database_url=place.database_url)
    engine = make_engine(settings, application_name="bench")
    try:
        user = UUID(str(place.value("select id from users limit 1")))
        job = str(place.value("select id from queue_jobs where user_id = %s and status = 'completed' limit 1", user))
        types = ["other"]
        statements: dict[str, Callable[[Connection], Any]] = {
            f"dispatch {BATCH}": lambda conn: dispatching.dispatch(conn, types, BATCH, "bench"),
            "dispatch 1": lambda conn: dispatching.dispatch(conn, types, 1, "bench"),
            "next due": lambda conn: dispatching.seconds_until_due(conn, types),
            "job by id": lambda conn: reads.find_job(conn, job),
            "user's page": lambda conn: reads.list_user_jobs(conn, user),
            "user's page by status": lambda conn: reads.list_user_jobs(conn, user, status="failed"),
            "statistics": reads.queue_stats,
            "what /metrics reads": lambda conn: read_state(conn, settings, datetime.now(UTC)),
            "stalled sweep": lambda conn: upkeep.take_back_stalled(conn, 300_000),
        }
        found = {name: _time(engine, statement) for name, statement in statements.items()}
        return {**found, **_transitions(place, engine)}
    finally:
        engine.dispose()


def _time(engine: Engine, statement: Callable[[Connection], Any]) -> float:
    """The median time in ms. Every look is undone, so that each finds the same rows."""
    times = []
    with engine.connect() as conn:
        for _ in range(LOOKS):
            conn.execute(text("select 1"))
            begun = time.perf_counter()
            statement(conn)
            times.append((time.perf_counter() - begun) * 1000)
            conn.rollback()
    return round(median(times[3:]), 3)


def _transitions(place: Place, engine: Engine) -> dict[str, float]:
    """Run jobs through as a worker does, and look at what that left in the table."""
    place.conn.execute("vacuum queue_jobs")
    place.conn.execute("select pg_stat_reset()")
    before = int(place.value("select pg_table_size('queue_jobs')"))
    jobs = min(
        TRANSITIONS,
        int(
            place.value(
                "select count(*) from (select from queue_jobs where status = 'pending' limit %s) p", TRANSITIONS
            )
        ),
    )
    for _ in range(jobs // BATCH):
        with engine.begin() as conn:
            sent = dispatching.dispatch(conn, ["other"], BATCH, "bench")
        ended = [claims.Outcome(one.claim.job_id, one.claim.token, "{}") for one in sent if one.claim]
        with engine.begin() as conn:
            claims.complete_many(conn, ended)
    engine.dispose()  # its sessions hand in their statistics as they end
    time.sleep(1.5)
    updates, hot, dead = place.conn.execute(
        "select n_tup_upd, n_tup_hot_upd, n_dead_tup from pg_stat_user_tables where relname = 'queue_jobs'"
    ).fetchone()
    return {
        "HOT updates %": round(100 * hot / updates, 1) if updates else 0.0,
        "dead rows per job": round(dead / jobs, 2),
        "growth MB": round((int(place.value("select pg_table_size('queue_jobs')")) - before) / 1e6, 2),
        "table MB": round(int(place.value("select pg_table_size('queue_jobs')")) / 1e6, 1),
        "indexes MB": round(int(place.value("select pg_indexes_size('queue_jobs')")) / 1e6, 1),
    }


def _report(options: Options, results: Mapping[str, Mapping[str, float]]) -> Report:
    sizes = list(results)
    first, last = results[sizes[0]], results[sizes[-1]]
    timed = [name for name in first if not any(mark in name for mark in ("%", "MB", "dead"))]
    slower = {name: round(last[name] / first[name], 2) for name in timed}
    rows = [
        (name, *(f"{results[size][name]:,g}" for size in sizes), f"{slower[name]:.2f}" if name in slower else "")
        for name in first
    ]
    bars = [
        picture.Bar(f"{name}, {size}", results[size][name], f"{results[size][name]:.2f} ms", True)
        for name in timed
        for size in sizes
    ]
    return Report(
        name="growth",
        title="Hot statements by number of terminal rows (as many pending, at most a million): median ms at the client",
        settings={"sizes": list(options.sizes), "batch": BATCH, "looks": LOOKS, "transitions": TRANSITIONS},
        header=("", *sizes, "last ÷ first"),
        rows=rows,
        data={"results": {size: dict(values) for size, values in results.items()}, "slower": slower},
        picture=picture.bars("Hot statements, ms", "by number of terminal rows", bars),
    )
