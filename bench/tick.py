"""The hourly tick of briefs for very many users, and what share of it is the insert. Method: README.md."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import picture, servers
from bench.growth import OPTIONS
from bench.report import Report
from bench.servers import Place


@dataclass(frozen=True)
class Options:
    """Number of users."""

    users: int = 1_000_000
    say: Callable[[str], None] = lambda _line: None


def run(options: Options) -> Report:
    """Tick once for all, tick again (nothing is left to do), insert the same rows alone."""
    with servers.running(OPTIONS) as both, both.place() as place:
        _load(place, options.users)
        options.say(f"{options.users:,} users loaded")
        queued, first = _timed(place, "select check_and_schedule_briefs(now())")
        options.say(f"tick: {queued:,} jobs in {first:.1f} s")
        again, second = _timed(place, "select check_and_schedule_briefs(now() + interval '1 second')")
        place.conn.execute("create unlogged table made as select * from queue_jobs")
        place.conn.execute("update queue_jobs set status = 'cancelled'")
        place.conn.execute("delete from queue_jobs")
        place.conn.execute("vacuum full analyze queue_jobs, job_events, row_events")
        place.conn.execute("checkpoint")
        _, insert = _timed(
            place,
            "with added as (insert into queue_jobs (queue_job_id, user_id, job_type, metadata, priority, scheduled_for, dedup_key, dedup_lock) "
            "select queue_job_id, user_id, job_type, metadata, priority, scheduled_for, dedup_key, dedup_key from made returning 1) "
            "select count(*) from added",
        )
    values = {
        "queued": float(queued), "tick_seconds": round(first, 2), "again_seconds": round(second, 2), "again_queued": float(again),
        "insert_seconds": round(insert, 2), "insert_share": round(insert / first, 3), "jobs_per_second": round(queued / first),
    }  # fmt: skip
    parts = [("tick", first), ("insert alone", insert), ("tick again", second)]
    return Report(
        name="tick",
        title=f"The hourly tick for {options.users:,} users, one zone for each offset from UTC",
        settings={"users": options.users},
        header=("", "value"),
        rows=[(name, f"{value:,g}") for name, value in values.items()],
        data={"results": values},
        picture=picture.bars(
            "Seconds", f"{options.users:,} users", [picture.Bar(n, s, f"{s:.1f} s", True) for n, s in parts]
        ),
    )


def _load(place: Place, users: int) -> None:
    """Users spread over zones and hours, a seventh of them weekly. A part of them is due within any one hour."""
    conn = place.conn
    conn.execute("set session_replication_role = replica")
    conn.execute(
        "insert into users (email, timezone, last_visit) "
        "select 'bench' || n || '@example.com', z.names[1 + n %% cardinality(z.names)], now() "
        "from generate_series(1, %s) n, (select array_agg(name order by name) as names from "
        "  (select distinct on (utc_offset) name from pg_timezone_names where name like '%%/%%' and name not like 'posix%%' "
        "   and name not like 'Etc%%' order by utc_offset, name) d) z",
        [users],
    )
    conn.execute(
        "insert into user_brief_preferences (user_id, frequency, time_of_day, day_of_week) "
        "select id, case when n % 7 = 0 then 'weekly' else 'daily' end, make_time((n / 11 % 24)::int, (n % 4 * 15)::int, 0), (n % 7)::int "
        "from (select id, row_number() over () as n from users) u"
    )
    conn.execute("set session_replication_role = origin")
    conn.execute("vacuum analyze")
    conn.execute("checkpoint")


def _timed(place: Place, statement: str) -> tuple[int, float]:
    begun = time.perf_counter()
    value = place.value(statement)
    return int(value), time.perf_counter() - begun
