"""What an operator must hear of: jobs that keep failing, work that waits, nobody there to do it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from app.settings import Settings


@dataclass(frozen=True)
class Alert:
    """`name` stays the same while the trouble lasts, `value` is its measure: failures, seconds, or the number missing."""

    name: str
    message: str
    value: float

    def as_api(self) -> dict[str, Any]:
        """As /health shows it."""
        return asdict(self)


_NOW = "coalesce(cast(:now as timestamptz), clock_timestamp())"

BROKER_AWAY = Alert("broker_away", "the broker does not answer: jobs are accepted and wait", 1)


def current_alerts(
    conn: Connection, settings: Settings, *, now: datetime | None = None, broker_there: bool = True
) -> list[Alert]:
    """Every alert that stands at `now` (aware; default the database's clock), the gravest first."""
    alerts = [] if broker_there else [BROKER_AWAY]
    for look in (_missing, _waiting, _failing):
        alerts += look(conn, settings, now)
    return alerts


def _missing(conn: Connection, settings: Settings, now: datetime | None) -> list[Alert]:
    alive = set(
        conn.execute(
            text(f"select kind from queue_processes where heartbeat_at > {_NOW} - make_interval(secs => :dead)"),
            {"now": now, "dead": settings.process_dead_after},
        ).scalars()
    )
    return [
        Alert(f"no_{kind}", f"no {kind} has given a sign of life: {cost}", 1)
        for kind, cost in (("worker", "no job runs"), ("beat", "no schedule fires"))
        if kind not in alive
    ]


def _waiting(conn: Connection, settings: Settings, now: datetime | None) -> list[Alert]:
    oldest = next(iter(oldest_due(conn, now)), None)
    if oldest is None or oldest.age <= settings.alert_pending_age:
        return []
    return [
        Alert(
            "pending_age",
            f"a {oldest.job_type} job has been due for {oldest.age:.0f} s and nobody took it",
            round(oldest.age, 1),
        )
    ]


@dataclass(frozen=True)
class OldestDue:
    """The pending job of a type that has been due the longest. `age` is seconds."""

    job_type: str
    job_id: str
    scheduled_for: datetime
    age: float


def oldest_due(conn: Connection, now: datetime | None = None) -> list[OldestDue]:
    """One for each type that has jobs due, the longest first; types that are paused or others' wait on purpose and are left out."""
    return [OldestDue(**row._mapping) for row in conn.execute(_OLDEST, {"now": now})]


def _failing(conn: Connection, settings: Settings, now: datetime | None) -> list[Alert]:
    """Types with many failed attempts, and more failed than completed ones, in the window. A stall is a failed attempt."""
    limits = {"minutes": settings.alert_failure_minutes, "least": settings.alert_failures}
    rows = conn.execute(_FAILING, {"now": now, **limits}).all()
    return [
        Alert(
            f"failing:{row.job_type}",
            f"{row.failed} of {row.failed + row.completed} runs of {row.job_type} failed within "
            f"{settings.alert_failure_minutes:g} min, the last with: {(row.message or 'no message')[:200]}",
            row.failed,
        )
        for row in rows
    ]


# The oldest due job of each type and priority is found by the index; types that are paused or others', and crowds, wait on purpose.
_OLDEST = text(
    f"""
    with recursive level as (
        select t as job_type, (select min(q.priority) from queue_jobs q where q.status = 'pending' and q.job_type = t) as priority
        from unnest(enum_range(null::queue_type)) t
        where queue_setting('external.' || t, 'false') <> 'true' and queue_setting('paused.' || t, 'false') <> 'true'
        union all
        select l.job_type, (select min(q.priority) from queue_jobs q
                            where q.status = 'pending' and q.job_type = l.job_type and q.priority > l.priority)
        from level l where l.priority is not null
    )
    select * from (
        select distinct on (l.job_type) l.job_type::text, d.queue_job_id as job_id, d.scheduled_for,
               extract(epoch from {_NOW} - d.scheduled_for)::float8 as age
        from level l cross join lateral (
            select queue_job_id, scheduled_for from queue_jobs q
            where q.status = 'pending' and q.job_type = l.job_type and q.priority = l.priority and q.lane = 0
            order by scheduled_for limit 1
        ) d
        where l.priority is not null order by l.job_type, d.scheduled_for
    ) oldest
    where age > 0 order by age desc
    """
)

# The latest failures of each type are found by their index; what went well is counted since the first of them, and no further than
# they reach. So a look costs the same however much work there is.
_FAILING = text(
    f"""
    select t::text as job_type, f.failed, c.completed, f.message
    from unnest(enum_range(null::queue_type)) t
    cross join lateral (
        select count(*) as failed, min(at) as since, (array_agg(message order by at desc))[1] as message from (
            select at, message from job_events e
            where e.job_type = t and e.at > {_NOW} - make_interval(mins => 1) * cast(:minutes as float8)
              and e."from" = 'processing' and (e."to" in ('failed', 'retrying') or e."to" = 'pending' and e.message = 'stalled')
            order by e.at desc limit greatest(cast(:least as int), 1000)
        ) latest
    ) f
    cross join lateral (
        select count(*) as completed from (
            select from job_events e
            where f.failed >= :least
              and e.at >= case when f.failed < 1000 then {_NOW} - make_interval(mins => 1) * cast(:minutes as float8) else f.since end
              and e."from" = 'processing' and e."to" = 'completed' and e.job_type = t
            limit f.failed
        ) done
    ) c
    where f.failed >= :least and f.failed > c.completed order by f.failed desc
    """
)


def first_in_cool_down(conn: Connection, alert: Alert, minutes: float) -> bool:
    """Whether nobody has reported this alert within the cool-down: of many processes that ask, one is told so."""
    return (
        conn.execute(
            text(
                "insert into queue_settings (key, value) values ('alerted.' || :name, clock_timestamp()::text) "
                "on conflict (key) do update set value = excluded.value, updated_at = clock_timestamp() "
                "where queue_settings.updated_at <= clock_timestamp() - make_interval(mins => 1) * cast(:minutes as float8) "
                "returning 1"
            ),
            {"name": alert.name, "minutes": minutes},
        ).first()
        is not None
    )
