"""Adding many jobs in one transaction and one statement, each with an answer of its own (CONTRACT 5, POST /queue/bulk)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from app.logs import current_traceparent
from app.queue.adding import TRACE, AddedJob, add_job, check_job, to_json
from app.queue.catalog import JOB_TYPES
from app.queue.errors import PermanentError, UnknownUser


@dataclass(frozen=True)
class NewJob:
    """A job to be added, as `add_job` takes it."""

    job_type: str
    user_id: UUID | None
    metadata: dict[str, Any]
    priority: int | None = None
    scheduled_for: datetime | None = None
    dedup_key: str | None = None


_ADD_MANY = text(
    f"select ordinal, job_id, job_name, due_at, deduplicated from enqueue_jobs(coalesce(cast({TRACE} as uuid[]), cast(:users as uuid[])), cast(:types as text[]), "
    "cast(:metadata as jsonb[]), cast(:priorities as int[]), cast(:times as timestamptz[]), cast(:keys as text[]), "
    "cast(:attempts as int[]))"
)


def add_jobs(conn: Connection, jobs: Sequence[NewJob]) -> list[AddedJob | PermanentError]:
    """Add jobs; one that is refused costs no other. Returns, in order, what is stored or why not: InvalidMetadata or UnknownUser."""
    answers: list[AddedJob | PermanentError | None] = [None] * len(jobs)
    users = _existing(conn, {job.user_id for job in jobs if job.user_id is not None})
    good: list[tuple[int, NewJob, str]] = []
    for place, job in enumerate(jobs):
        try:
            check_job(job.job_type, job.user_id, job.metadata, job.dedup_key)
            if job.user_id is not None and job.user_id not in users:
                raise UnknownUser("User not found")
            good.append((place, job, to_json(job.metadata, "metadata")))
        except PermanentError as refusal:
            answers[place] = refusal
    for (place, job, _), row in zip(good, _insert(conn, good), strict=True):
        if row.job_id is None:
            answers[place] = add_job(
                conn, job.job_type, user_id=job.user_id, metadata=job.metadata, priority=job.priority,
                scheduled_for=job.scheduled_for, dedup_key=job.dedup_key,
            )  # fmt: skip
        else:
            answers[place] = AddedJob(row.job_id, row.job_name, row.due_at, row.deduplicated)
    return answers


def _insert(conn: Connection, good: Sequence[tuple[int, NewJob, str]]) -> Sequence[Any]:
    if not good:
        return []
    jobs = [job for _, job, _ in good]
    return conn.execute(
        _ADD_MANY,
        {
            "traceparent": current_traceparent() or "",
            "users": [job.user_id for job in jobs],
            "types": [job.job_type for job in jobs],
            "metadata": [encoded for _, _, encoded in good],
            "priorities": [JOB_TYPES[job.job_type].priority if job.priority is None else job.priority for job in jobs],
            "times": [job.scheduled_for for job in jobs],
            "keys": [job.dedup_key for job in jobs],
            "attempts": [JOB_TYPES[job.job_type].max_attempts for job in jobs],
        },
    ).all()


def _existing(conn: Connection, users: set[UUID]) -> set[UUID]:
    return set(conn.execute(text("select id from users where id = any(:ids)"), {"ids": list(users)}).scalars())
