"""Which jobs go out next, and to whom (DESIGN 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from app.queue.claims import Claim


class Dispatched(NamedTuple):
    """A job that goes out to a worker: claimed already, or (`claim` None) to be claimed when its run begins. `more`: others may be due."""

    job_id: str
    job_type: str
    claim: Claim | None
    more: bool = False


# In the order of a Claim's fields.
DISPATCH = text(
    "select job_id::text, queue_job_id, user_id::text, job_type, metadata::text, attempt, max_attempts, fencing_token, task_id, "
    "traceparent, more "
    "from dispatch_jobs(:types, :limit, :dispatcher, true)"
)


def dispatch(conn: Connection, job_types: Sequence[str], limit: int, dispatcher: str) -> list[Dispatched]:
    """Hand up to `limit` due jobs to the worker `dispatcher`, the most urgent first. Due retries become `pending` on the way.

    A job that never failed comes claimed; any other is claimed when its run begins, so that a job that takes its worker down
    charges none that waits beside it.
    """
    rows = conn.execute(DISPATCH, {"types": list(job_types), "limit": limit, "dispatcher": dispatcher}).all()
    return [Dispatched(row[0], row[3], Claim(*row[:10]) if row[8] else None, row[10]) for row in rows]


def seconds_until_due(conn: Connection, job_types: Sequence[str], since: float = 0.0) -> float | None:
    """Seconds until the next job of these types becomes due, by the database's clock; None when none waits.

    Counts those as well that became due in the last `since` seconds: below zero then.
    """
    return conn.execute(
        text(
            "select extract(epoch from next_due_at(:types, clock_timestamp() - make_interval(secs => :since)) "
            "- clock_timestamp())::float8"
        ),
        {"types": list(job_types), "since": since},
    ).scalar()


def undispatch(conn: Connection, job_ids: Sequence[UUID | str]) -> int:
    """Take the marks of these jobs back, as their messages are lost. Returns how many will be dispatched again."""
    return conn.execute(text("select undispatch_jobs(cast(:ids as uuid[]))"), {"ids": list(job_ids)}).scalar_one()


def undispatch_worker(conn: Connection, dispatcher: str) -> int:
    """Take back every mark that a dead or leaving dispatcher made."""
    ids = conn.execute(
        text("select id from queue_jobs where status = 'pending' and dispatched_at is not null and dispatched_by = :name"),
        {"name": dispatcher},
    ).scalars()
    return undispatch(conn, list(ids))
