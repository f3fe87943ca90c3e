"""What `POST /queue/brief` means, free of HTTP (CONTRACT 5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection

from app.identity.users import User
from app.queue.adding import add_job, take_turns
from app.queue.reads import find_brief_job
from app.queue.steering import bring_forward, cancel_brief_jobs_for_date
from app.web.fields import zone_or_utc
from app.web.schemas import QueueBriefRequest

IMMEDIATE, SCHEDULED = 1, 10  # priorities


@dataclass(frozen=True, slots=True)
class QueuedBrief:
    """The job that makes the brief, as it is stored."""

    job_id: str
    scheduled_for: datetime
    brief_date: str
    deduplicated: bool


def queue_brief(conn: Connection, user: User, wanted: QueueBriefRequest, now: datetime) -> QueuedBrief:
    """Queue a brief, or find the job that makes it already. `now` is aware; the caller commits.

    Requests for the same user and date take turns, so that of many at once one adds the job and the others find it.
    """
    timezone = wanted.timezone or zone_or_utc(user.timezone).key
    due = now if wanted.forceImmediate or wanted.scheduledFor is None else wanted.scheduledFor
    day = wanted.briefDate or (wanted.scheduledFor or now).astimezone(zone_or_utc(timezone)).date()
    brief_date = day.isoformat()
    key = f"brief-{user.id}-{brief_date}"
    take_turns(conn, key)

    if wanted.forceRegenerate:
        cancel_brief_jobs_for_date(conn, user.id, brief_date)
        key = f"{key}-{uuid4().hex}"
    elif (known := find_brief_job(conn, user.id, brief_date)) is not None:
        # Whichever key it holds: a job that regenerates, or that a retry made, is the job of that date too.
        return _found(conn, known.id, known.queue_job_id, known.scheduled_for, brief_date, wanted)

    added = add_job(
        conn,
        "generate_daily_brief",
        user_id=user.id,
        metadata=_metadata(wanted, brief_date, timezone),
        priority=IMMEDIATE if wanted.forceImmediate or due <= now else SCHEDULED,
        scheduled_for=due,
        dedup_key=key,
    )
    if added.deduplicated:
        return _found(conn, added.id, added.queue_job_id, added.scheduled_for, brief_date, wanted)
    return QueuedBrief(added.queue_job_id, added.scheduled_for, brief_date, deduplicated=False)


def _found(
    conn: Connection, job_id: UUID, queue_job_id: str, stored: datetime, brief_date: str, wanted: QueueBriefRequest
) -> QueuedBrief:
    if wanted.forceImmediate and (moved := bring_forward(conn, job_id)) is not None:
        stored = moved.scheduled_for
    return QueuedBrief(queue_job_id, stored, brief_date, deduplicated=True)


def _metadata(wanted: QueueBriefRequest, brief_date: str, timezone: str) -> dict:
    metadata: dict = {"briefDate": brief_date, "timezone": timezone}
    if wanted.forceRegenerate:
        metadata["forceRegenerate"] = True
    if wanted.options is not None:
        metadata |= wanted.options.model_dump(exclude_none=True)
    return metadata
