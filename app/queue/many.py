"""Cancelling and retrying many jobs: in small batches, each a transaction of its own, so that nobody waits for long (CONTRACT 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import SQLAlchemyError

from app.db.commit import OutcomeUnknown, transaction
from app.queue.adding import AddedJob
from app.queue.alone import in_the_way
from app.queue.bulk import add_jobs
from app.queue.reads import find_jobs
from app.queue.steering import retried

BATCH = 500  # jobs in one transaction

Begin = Callable[[], AbstractContextManager[Connection]]
"""Opens a transaction; each call one of its own."""

LIVE = ("pending", "processing", "retrying")
RETRIABLE = ("failed", "cancelled")


@dataclass(frozen=True)
class JobFilter:
    """Which jobs: those that everything given here says. Times are aware and about `created_at`, `after` included, `before` not.

    `text` is looked for in a job's name, its error and its metadata, in upper or lower case.
    """

    job_type: str | None = None
    status: str | None = None
    user_id: UUID | None = None
    before: datetime | None = None
    after: datetime | None = None
    text: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing, so that every job is meant."""
        return all(value is None for value in astuple(self))


@dataclass(frozen=True)
class Outcome:
    """`matched` by the filter; `eligible`, as the action applies to their state; `changed` or newly queued.

    `refused`: retries whose metadata does not fit its type's model any more, or whose work another live job does.
    """

    matched: int
    eligible: int
    changed: int
    refused: int = 0


# The conditions of a JobFilter, its fields as parameters.
MATCHES = """
    (cast(:job_type as text) is null or job_type = cast(:job_type as queue_type))
    and (cast(:status as text) is null or status = cast(:status as queue_status))
    and (cast(:user_id as uuid) is null or user_id = cast(:user_id as uuid))
    and (cast(:before as timestamptz) is null or created_at < cast(:before as timestamptz))
    and (cast(:after as timestamptz) is null or created_at >= cast(:after as timestamptz))
    and (cast(:text as text) is null
         or strpos(lower(concat_ws(' ', queue_job_id, error_message, metadata::text)), lower(cast(:text as text))) > 0)
"""
_FIND = text(f"select id, status::text as status from queue_jobs where {MATCHES} order by id")
_COUNT = text(
    f"select count(*) as matched, count(*) filter (where status::text = any(:eligible)) as eligible from queue_jobs where {MATCHES}"
)


def count(engine: Engine, action: Literal["cancel", "retry"], wanted: JobFilter) -> Outcome:
    """What `steer` would find now; nothing is changed."""
    with engine.connect() as conn:
        row = conn.execute(_COUNT, {**vars(wanted), "eligible": list(_states(action))}).one()
    return Outcome(row.matched, row.eligible, 0)


def steer(engine: Engine, action: Literal["cancel", "retry"], wanted: JobFilter) -> Outcome:
    """Cancel the live jobs of a filter, or add a new job like each failed or cancelled one. Jobs added meanwhile are left alone.

    Raises OutcomeUnknown when the database goes away after some were changed.
    """
    matched = eligible = changed = refused = 0
    try:
        begin = partial(transaction, engine)
        for rows in batches(engine, _FIND, vars(wanted)):
            ids = [row.id for row in rows if row.status in _states(action)]
            matched, eligible = matched + len(rows), eligible + len(ids)
            if action == "cancel":
                states = LIVE if wanted.status is None else (wanted.status,)
                changed += cancel(begin, _IN_STATE, ids, {"states": list(states)}, "cancelled in bulk")
            else:
                added, unfit = _retry(begin, ids)
                changed, refused = changed + added, refused + unfit
    except SQLAlchemyError:
        if changed == 0:
            raise
        raise OutcomeUnknown(f"the database went away after {changed} jobs") from None
    return Outcome(matched, eligible, changed, refused)


def _states(action: str) -> tuple[str, ...]:
    return LIVE if action == "cancel" else RETRIABLE


def batches(engine: Engine, query: TextClause, values: dict[str, Any]) -> Iterator[Sequence[Any]]:
    """The rows of a query, some at a time, as they were when it began."""
    with engine.connect() as reader:
        yield from reader.execution_options(stream_results=True).execute(query, values).partitions(BATCH)


class Choice:
    """Which jobs of `:ids` are to be cancelled still, as a condition: it is asked again under the lock of each row."""

    def __init__(self, query: str):
        self.now = text(query)
        self.free = text(query + " order by id for update skip locked")
        self.held = text(query + " for update")


_IN_STATE = Choice("select id from queue_jobs where id = any(:ids) and status::text = any(:states)")
_CANCEL = text("update queue_jobs set status = 'cancelled' where id = any(:ids)")


def cancel(begin: Begin, choice: Choice, ids: Sequence[UUID], values: dict[str, Any], message: str) -> int:
    """Cancel those of `ids`, a batch, that the choice still names. Returns how many.

    Two who lock many rows could wait for each other: so a row that somebody holds is left out, and then waited for by itself.
    """
    if not ids:
        return 0
    with begin() as conn:
        cancelled = _cancel_chosen(conn, choice.free, ids, values, message)
        held = conn.execute(choice.now, {**values, "ids": list(ids)}).scalars().all() if cancelled < len(ids) else []
    for job_id in held:
        with begin() as conn:
            cancelled += _cancel_chosen(conn, choice.held, [job_id], values, message)
    return cancelled


def _cancel_chosen(
    conn: Connection, query: TextClause, ids: Sequence[UUID], values: dict[str, Any], message: str
) -> int:
    chosen = list(conn.execute(query, {**values, "ids": list(ids)}).scalars())
    if chosen:
        conn.execute(text("select set_config('buildos.message', :message, true)"), {"message": message})
        conn.execute(_CANCEL, {"ids": chosen})
        conn.execute(text("select set_config('buildos.message', '', true)"))
    return len(chosen)


def _retry(begin: Begin, ids: Sequence[UUID]) -> tuple[int, int]:
    if not ids:
        return 0, 0
    with begin() as conn:
        found = find_jobs(conn, ids)
        jobs = [found[job_id] for job_id in ids if job_id in found]
        busy = in_the_way(conn, jobs)
        answers = add_jobs(conn, [retried(job) for job in jobs if job.id not in busy])
    added = sum(isinstance(answer, AddedJob) for answer in answers)
    return added, len(jobs) - added
