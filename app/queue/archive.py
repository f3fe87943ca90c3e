"""The archive of ended jobs, by month: moving them there, and what is removed for good (CONTRACT 8.9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from app.queue.many import BATCH, Begin

MONTHS_AHEAD = 2

_FIRST = UUID(int=0)


def archive_ended(begin: Begin, states: Sequence[str], ended_before: datetime) -> Iterator[int]:
    """Move the jobs in these terminal states that ended before an instant (aware), with their history, a batch in a transaction.

    Yields the number moved after each batch. A job that somebody holds is left for the next time.
    """
    after = _FIRST
    while True:
        with begin() as conn:
            values = {"states": list(states), "before": ended_before, "after": after, "limit": BATCH}
            looked_at = conn.execute(_ENDED, values).scalars().all()
            moved = conn.execute(_ARCHIVE, values).scalars().all() if looked_at else []
        yield len(moved)
        if len(looked_at) < BATCH:
            return
        after = looked_at[-1]


_ENDED = text("select ended_jobs(cast(:states as queue_status[]), :before, :after, :limit)")
_ARCHIVE = text("select archive_jobs(cast(:states as queue_status[]), :before, :after, :limit)")


def count_ended(conn: Connection, states: Sequence[str], ended_before: datetime) -> int:
    """How many jobs `archive_ended` would move."""
    return conn.execute(
        text("select count(*) from ended_jobs(cast(:states as queue_status[]), :before, :after, 2000000000)"),
        {"states": list(states), "before": ended_before, "after": _FIRST},
    ).scalar_one()


def keep_months(conn: Connection, now: datetime, kept: int) -> list[str]:
    """Make the archive's parts for this month and the next ones; drop those that ended `kept` months ago (0: none). Returns what went."""
    for ahead in range(MONTHS_AHEAD + 1):
        conn.execute(
            text("select add_archive_month(cast(:now as timestamptz) + make_interval(months => :ahead))"),
            {"now": now, "ahead": ahead},
        )
    if kept == 0:
        return []
    return list(
        conn.execute(
            text("select drop_archive_months(cast(:now as timestamptz) - make_interval(months => :kept))"),
            {"now": now, "kept": kept},
        ).scalars()
    )


def prune_histories(begin: Begin) -> Iterator[int]:
    """Remove the history of jobs that left `queue_jobs` more than 25 hours ago; yields how many jobs after each batch."""
    while True:
        with begin() as conn:
            pruned = conn.execute(
                text("select prune_history(clock_timestamp(), :limit)"), {"limit": BATCH}
            ).scalar_one()
        yield pruned
        if pruned < BATCH:
            return
