"""Jobs that should have run long ago: found, and cancelled when an operator asks for it (CONTRACT 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from app.queue import many
from app.queue.many import Begin, Choice

MOST_SHOWN = 100


@dataclass(frozen=True)
class StaleJob:
    """One of them. `age_hours` counts from when it was added."""

    id: UUID
    queue_job_id: str
    job_type: str
    status: str
    created_at: datetime
    age_hours: float


# Types that are paused or left to others wait on purpose.
_IS_STALE = """
    scheduled_for < clock_timestamp() - make_interval(secs => 3600 * cast(:hours as float8))
    and (status in ('pending', 'retrying')
         or status = 'processing' and coalesce(heartbeat_at, started_at) < clock_timestamp() - make_interval(secs => :silent))
    and not exists (select from queue_settings s where s.key in ('paused.' || job_type, 'external.' || job_type) and s.value = 'true')
"""
_COUNT = text(f"select count(*) from queue_jobs where {_IS_STALE}")
_OLDEST = text(
    f"""
    select id, queue_job_id, job_type::text, status::text, created_at,
           (extract(epoch from clock_timestamp() - created_at) / 3600)::float8 as age_hours
    from queue_jobs where {_IS_STALE} order by created_at, id limit :limit
    """
)
_ALL = text(f"select id from queue_jobs where {_IS_STALE} order by id")
_STILL_STALE = Choice(f"select id from queue_jobs where id = any(:ids) and {_IS_STALE}")


def count_stale(conn: Connection, hours: float, silent_ms: int) -> int:
    """How many jobs were due more than `hours` ago and still wait, or run without a sign of life for `silent_ms`."""
    return conn.execute(_COUNT, _limits(hours, silent_ms)).scalar_one()


def oldest_stale(conn: Connection, hours: float, silent_ms: int) -> list[StaleJob]:
    """The hundred of them that were added first."""
    return [StaleJob(*row) for row in conn.execute(_OLDEST, {**_limits(hours, silent_ms), "limit": MOST_SHOWN})]


def cancel_stale(engine: Engine, begin: Begin, hours: float, silent_ms: int) -> Iterator[int]:
    """Cancel them, a batch in a transaction; one that begins meanwhile runs. Yields how many after each batch."""
    limits = _limits(hours, silent_ms)
    for rows in many.batches(engine, _ALL, limits):
        yield many.cancel(
            begin, _STILL_STALE, [row.id for row in rows], limits, f"cancelled: stale for {hours:g} hours"
        )


def _limits(hours: float, silent_ms: int) -> dict[str, float]:
    return {"hours": hours, "silent": silent_ms / 1000}
