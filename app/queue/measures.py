"""What Prometheus is told of the queue: counts and times since the beginning, and what is due now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from app.db.connections import Connections, count_connections
from app.queue.alerts import Alert, current_alerts
from app.queue.catalog import JOB_TYPES, queues
from app.queue.figures import time_bounds
from app.queue.pausing import paused_types
from app.queue.reads import process_status, queue_stats
from app.queue.upkeep import fold_counts
from app.settings import Settings

REACH = 2000  # due jobs of one type and priority that are counted one by one
UNKNOWN_RUN = 1.0  # seconds a run of a type counts for before any has ended
ENDED = ("completed", "failed", "retrying", "cancelled")  # outcomes of runs that came to an end of their own


@dataclass
class Times:
    """How many took how long: `counts[i]` passed i of the bounds and no more, `seconds` all of them together."""

    counts: list[int]
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.counts)


@dataclass
class Measures:
    """Times by metric, then by subject (a job type or an adapter) and outcome. `bounds` are the upper ends in seconds."""

    bounds: list[float]
    times: dict[str, dict[tuple[str, str], Times]] = field(default_factory=lambda: defaultdict(dict))

    def mean_run(self, job_type: str) -> float | None:
        """Seconds of an average run of this type; None before one has ended."""
        ended = [times for (name, outcome), times in self.times["job_run"].items() if name == job_type and outcome in ENDED]
        count = sum(times.count for times in ended)
        return sum(times.seconds for times in ended) / count if count else None


def read_measures(conn: Connection) -> Measures:
    """Everything that was counted, whichever process saw it. Call `upkeep.fold_counts` before for what happened just now."""
    measures = Measures(time_bounds(conn))
    rows = conn.execute(text("select metric, subject, outcome, bucket, count, seconds from metric_counts order by 1, 2, 3, 4"))
    for metric, subject, outcome, bucket, count, seconds in rows:
        of = measures.times[metric].setdefault((subject, outcome), Times([0] * (len(measures.bounds) + 1)))
        of.counts[bucket] += count
        of.seconds += seconds
    return measures


@dataclass(frozen=True)
class Due:
    """Due jobs of a type that nobody runs yet, and the seconds the oldest of them has been due."""

    jobs: int
    lag: float


def due_by_type(conn: Connection, now: datetime, pending: Mapping[str, int]) -> dict[str, Due]:
    """What is due at `now` (aware) for each type that is neither paused nor left to others. `pending`: jobs waiting, by type.

    Up to `REACH` for each priority are counted. Where there are more, it is what waits without what is due later; where
    that is as much again, it is what was counted, which is too little.
    """
    found: dict[str, list] = defaultdict(list)
    for row in conn.execute(_DUE, {"now": now, "reach": REACH}):
        found[row.job_type].append(row)
    due = dict.fromkeys(found, Due(0, 0.0))
    for job_type, levels in found.items():
        jobs = sum(row.due for row in levels)
        if any(row.due >= REACH for row in levels) and all(row.later < REACH for row in levels):
            jobs = max(jobs, pending.get(job_type, 0) - sum(row.later for row in levels))
        due[job_type] = Due(jobs, max(0.0, *(row.age or 0.0 for row in levels)))
    return due


_DUE = text(
    """
    with level as materialized (
        select * from queue_levels(array(
            select t from unnest(enum_range(null::queue_type)) t
            where queue_setting('external.' || t, 'false') <> 'true' and queue_setting('paused.' || t, 'false') <> 'true'
        ))
    )
    select l.job_type::text, d.jobs as due, r.jobs as later, extract(epoch from :now - d.oldest)::float8 as age
    from level l cross join lateral (
        select count(*) as jobs, min(scheduled_for) as oldest from (
            select q.scheduled_for from queue_jobs q
            where q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority and q.lane = l.lane
              and q.scheduled_for <= :now
            order by q.scheduled_for limit :reach
        ) first
    ) d cross join lateral (
        select count(*) as jobs from (
            select from queue_jobs q
            where d.jobs >= :reach
              and q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority and q.lane = l.lane
              and q.scheduled_for > :now
            limit :reach
        ) rest
    ) r
    """
)


@dataclass(frozen=True)
class QueueLoad:
    """What an autoscaler looks at: due jobs, how many seconds one slot would work on them, and the slots that are there."""

    jobs: int
    seconds: float
    slots: int


def load_by_queue(
    due: Mapping[str, Due], measures: Measures, workers: Sequence[tuple[Sequence[str], int]]
) -> dict[str, QueueLoad]:
    """The load of every queue. `workers`: the queues and the slots of each living worker; it counts for each of its queues."""
    loads = {}
    for queue in queues():
        types = [(name, found) for name, found in due.items() if name in JOB_TYPES and JOB_TYPES[name].queue == queue]
        loads[queue] = QueueLoad(
            jobs=sum(found.jobs for _, found in types),
            seconds=sum(found.jobs * (measures.mean_run(name) or UNKNOWN_RUN) for name, found in types),
            slots=sum(slots for names, slots in workers if queue in names),
        )
    return loads


@dataclass(frozen=True)
class State:
    """Everything that a scrape asks the database."""

    stats: list[dict[str, Any]]
    measures: Measures
    due: dict[str, Due]
    loads: dict[str, QueueLoad]
    processes: list[str]
    alerts: list[Alert]
    paused: list[str]
    connections: Connections


def read_state(conn: Connection, settings: Settings, now: datetime, *, broker_there: bool = True) -> State:
    """The state at `now` (aware). Folds the counts first: what follows is exact then, and has that much less to read."""
    fold_counts(conn)
    stats = queue_stats(conn)
    measures = read_measures(conn)
    due = due_by_type(conn, now, {row["job_type"]: row["count"] for row in stats if row["status"] == "pending"})
    processes = process_status(conn)
    workers = [(row["queues"], row["concurrency"] or 0) for row in processes if row["kind"] == "worker"]
    return State(
        stats=stats,
        measures=measures,
        due=due,
        loads=load_by_queue(due, measures, workers),
        processes=[row["kind"] for row in processes],
        alerts=current_alerts(conn, settings, now=now, broker_there=broker_there),
        paused=paused_types(conn),
        connections=count_connections(conn),
    )
