"""Reading jobs: one, a user's page, its history, the counts."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

COLUMNS = (
    "id", "queue_job_id", "user_id", "job_type", "status", "scheduled_for", "metadata", "result", "attempts", "max_attempts",
    "priority", "error_message", "created_at", "updated_at", "started_at", "processed_at", "completed_at",
)  # fmt: skip
_SELECT = "select " + ", ".join(COLUMNS) + " from queue_jobs"
_ARCHIVED = "select " + ", ".join(COLUMNS) + " from queue_jobs_archive"


@dataclass(frozen=True)
class JobRow:
    """The documented columns of a job (CONTRACT 1). Times are aware, in UTC."""

    id: UUID
    queue_job_id: str
    user_id: UUID | None
    job_type: str
    status: str
    scheduled_for: datetime
    metadata: dict[str, Any]
    result: Any
    attempts: int
    max_attempts: int
    priority: int
    error_message: str | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    processed_at: datetime | None
    completed_at: datetime | None

    def as_api(self) -> dict[str, Any]:
        """The job as HTTP and Socket.IO show it: every column, `error` and `progress`."""
        shown = {name: api_value(getattr(self, name)) for name in COLUMNS}
        return {**shown, "error": self.error_message, "progress": self.progress()}

    def progress(self) -> dict[str, Any]:
        """`{current, total, message}`, current from 0 to 100."""
        reported = self.metadata.get("generation_progress")
        reported = reported if isinstance(reported, dict) else {}
        percent, message = reported.get("progress"), reported.get("message")
        known = isinstance(percent, int | float) and not isinstance(percent, bool)  # a SQL client may write anything
        return {
            "current": 100 if self.status == "completed" else min(max(percent, 0), 100) if known else 0,
            "total": 100,
            "message": message if message and isinstance(message, str) else self.status,
        }


def iso(moment: datetime) -> str:
    """A time as the API writes it: ISO 8601, UTC, `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def api_value(value: Any) -> Any:
    """A column's value as JSON shows it."""
    if isinstance(value, datetime):
        return iso(value)
    return str(value) if isinstance(value, UUID) else value


def as_uuid(value: str) -> UUID | None:
    """`value` as a uuid in its usual spelling, or None."""
    try:
        return UUID(value) if len(value) == 36 else None
    except ValueError:
        return None


def find_job(conn: Connection, job_id: str) -> JobRow | None:
    """A job, archived or not, by its `queue_job_id` or its uuid; None when there is none, however odd the text."""
    if not job_id or "\x00" in job_id or len(job_id) > 300:
        return None
    uuid = as_uuid(job_id)
    for query in _BY_ID if uuid is not None else _BY_NAME:
        if row := conn.execute(query, {"id": uuid or job_id}).first():
            return JobRow(*row)
    return None


_BY_ID = (text(f"{_SELECT} where id = :id"), text(f"{_ARCHIVED} where id = :id"))
_BY_NAME = (text(f"{_SELECT} where queue_job_id = :id"), text(f"{_ARCHIVED} where queue_job_id = :id"))


def find_jobs(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, JobRow]:
    """The jobs with these uuids that exist, by uuid."""
    rows = conn.execute(text(f"{_SELECT} where id = any(:ids)"), {"ids": list(ids)})
    return {job.id: job for job in (JobRow(*row) for row in rows)}


def find_live_jobs(conn: Connection, user_id: UUID, job_type: str) -> list[JobRow]:
    """A user's jobs of a type that wait or run, oldest first."""
    rows = conn.execute(
        text(
            f"{_SELECT} where user_id = :user_id and job_type = cast(:job_type as queue_type) "
            "and status in ('pending', 'processing', 'retrying') order by created_at, id"
        ),
        {"user_id": user_id, "job_type": job_type},
    )
    return [JobRow(*row) for row in rows]


def job_history(conn: Connection, job_id: UUID) -> list[dict[str, Any]]:
    """`{from, to, at, attempt, worker, message}` of each change of state, oldest first, also of an archived job."""
    rows = conn.execute(
        text('select "from", "to", at, attempt, worker, message from job_events where job_id = :id order by id'),
        {"id": job_id},
    ).mappings()
    events = [{key: api_value(value) for key, value in row.items()} for row in rows]
    if not events or events[-1]["to"] is None:  # the row is gone, and its history may be too
        kept = conn.execute(text("select history from queue_jobs_archive where id = :id"), {"id": job_id}).scalar()
        return events if kept is None else kept
    return events


class InvalidCursor(ValueError):
    """The cursor is not one that this API gave out."""


_OF_USER = """
    user_id = :user_id
    and (cast(:job_type as text) is null or job_type = cast(:job_type as queue_type))
    and (cast(:status as text) is null or status = cast(:status as queue_status))
    and (cast(:at as timestamptz) is null or (created_at, id) < (cast(:at as timestamptz), cast(:id as uuid)))
"""


_PAGE = text(f"""
    select * from (
        ({_SELECT} where {_OF_USER} order by created_at desc, id desc limit :limit)
        union all
        ({_ARCHIVED} where {_OF_USER} order by created_at desc, id desc limit :limit)
    ) jobs order by created_at desc, id desc limit :limit
""")
# Says in words that an index can be held to what the parameter says: those are few, and the completed ones many.
_UNFINISHED_PAGE = text(_PAGE.text.replace("where", "where status in ('failed', 'cancelled') and"))


def list_user_jobs(
    conn: Connection,
    user_id: UUID,
    *,
    job_type: str | None = None,
    status: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> tuple[list[JobRow], str | None]:
    """A page of a user's jobs, archived ones too, newest first, and the cursor of the next page or None. Raises InvalidCursor."""
    rows = conn.execute(
        _UNFINISHED_PAGE if status in ("failed", "cancelled") else _PAGE,
        {"user_id": user_id, "job_type": job_type, "status": status, "limit": limit + 1, **_read_cursor(cursor)},
    ).all()
    jobs = [JobRow(*row) for row in rows[:limit]]
    return jobs, _write_cursor(jobs[-1]) if len(rows) > limit else None


def _write_cursor(job: JobRow) -> str:
    return base64.urlsafe_b64encode(json.dumps([job.created_at.isoformat(), str(job.id)]).encode()).decode()


def _read_cursor(cursor: str | None) -> dict[str, Any]:
    if cursor is None:
        return {"at": None, "id": None}
    try:
        at, job_id = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError
        return {"at": moment, "id": UUID(job_id)}
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError):
        raise InvalidCursor("not a cursor of this list") from None


def queue_stats(conn: Connection) -> list[dict[str, Any]]:
    """`{job_type, status, count}` for every pair that has jobs."""
    return [dict(row) for row in conn.execute(text("select job_type, status, count from get_queue_stats()")).mappings()]


def process_status(conn: Connection) -> list[dict[str, Any]]:
    """Workers and beats that gave a sign of life in the last minute: kind, name, heartbeat_at, last_poll_at and more."""
    return [
        dict(row)
        for row in conn.execute(
            text(
                "select kind, name, host, pid, queues, concurrency, started_at, heartbeat_at, last_poll_at, draining from queue_processes "
                "where heartbeat_at > clock_timestamp() - interval '1 minute' order by kind, name"
            )
        ).mappings()
    ]
