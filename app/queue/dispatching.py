"""Which jobs go out next. A dispatch mark is a note, never a lease: the claim decides (DESIGN 1)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text


def dispatch(conn: Connection, job_types: Sequence[str], limit: int, dispatcher: str) -> list[tuple[UUID, str]]:
    """Mark up to `limit` due jobs as dispatched, the most urgent first, and return (id, job type) of each.

    Due retries become `pending` on the way. The mark can be lost without harm, so its commit does not wait for the disk.
    """
    conn.execute(text("set local synchronous_commit = off"))
    rows = conn.execute(
        text("select job_id, job_type from dispatch_jobs(:types, :limit, :dispatcher)"),
        {"types": list(job_types), "limit": limit, "dispatcher": dispatcher},
    )
    return [(row.job_id, row.job_type) for row in rows]


def seconds_until_due(conn: Connection, job_types: Sequence[str]) -> float | None:
    """Seconds until the next job of these types becomes due, by the database's clock; None when none waits."""
    return conn.execute(
        text("select extract(epoch from next_due_at(:types) - clock_timestamp())::float8"), {"types": list(job_types)}
    ).scalar()


def undispatch(conn: Connection, job_ids: Sequence[UUID]) -> int:
    """Take the marks of these jobs back, as their messages are lost. Returns how many will be dispatched again."""
    return conn.execute(text("select undispatch_jobs(:ids)"), {"ids": list(job_ids)}).scalar_one()


def still_waiting(conn: Connection, job_ids: Sequence[UUID], dispatcher: str) -> dict[UUID, float]:
    """Those of `job_ids` that `dispatcher` sent out and nobody claimed, with the seconds since the last sign of their message."""
    rows = conn.execute(
        text(
            "select id, extract(epoch from clock_timestamp() - dispatched_at)::float8 as silent from queue_jobs "
            "where id = any(:ids) and status = 'pending' and dispatched_at is not null and dispatched_by = :dispatcher"
        ),
        {"ids": list(job_ids), "dispatcher": dispatcher},
    )
    return {row.id: row.silent for row in rows}


def undispatch_worker(conn: Connection, dispatcher: str) -> int:
    """Take back every mark that a dead or leaving dispatcher made."""
    ids = conn.execute(
        text("select id from queue_jobs where status = 'pending' and dispatched_at is not null and dispatched_by = :name"),
        {"name": dispatcher},
    ).scalars()
    return undispatch(conn, list(ids))
