"""What people do to jobs from outside: cancel, retry (CONTRACT 2 and 5)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from app.queue.adding import AddedJob, add_job
from app.queue.alone import in_the_way
from app.queue.bulk import NewJob
from app.queue.errors import WrongState
from app.queue.reads import JobRow, find_job


def cancel_job(conn: Connection, job_id: UUID, message: str = "cancelled") -> bool:
    """Cancel a live job; True when it was live. A pending one never runs, a running one is stopped and its result discarded."""
    return conn.execute(text("select cancel_queue_job(:id, :message)"), {"id": job_id, "message": message}).scalar_one()


def cancel_brief_jobs_for_date(conn: Connection, user_id: UUID, brief_date: str, exclude: UUID | None = None) -> list[str]:
    """Cancel a user's live brief jobs of `brief_date` (YYYY-MM-DD). Returns their queue_job_ids."""
    row = conn.execute(
        text("select * from cancel_brief_jobs_for_date(:user_id, :brief_date, :exclude)"),
        {"user_id": user_id, "brief_date": brief_date, "exclude": exclude},
    ).one()
    return list(row.cancelled_job_ids)


def retry_job(conn: Connection, job_id: UUID) -> AddedJob:
    """Add a new job like a failed or cancelled one, due now, with `metadata.retriedFrom`; the old row stays as it is.

    Raises WrongState when the job is in another state or another live job does its work (`app/queue/alone.py`), LookupError when there
    is none.
    """
    old = find_job(conn, str(job_id))
    if old is None:
        raise LookupError("Job not found")
    if old.status not in ("failed", "cancelled"):
        raise WrongState(f"A {old.status} job cannot be retried", old.status)
    if rival := in_the_way(conn, [old]).get(old.id):
        raise WrongState(f"Another job does this already: {rival}", old.status)
    new = retried(old)
    return add_job(conn, new.job_type, user_id=new.user_id, metadata=new.metadata, priority=new.priority)


def retried(old: JobRow) -> NewJob:
    """A job like `old`, due now: without its progress and its idempotency key, with `metadata.retriedFrom`."""
    metadata = {key: value for key, value in old.metadata.items() if key != "generation_progress"}
    return NewJob(old.job_type, old.user_id, {**metadata, "retriedFrom": str(old.id)}, old.priority)
