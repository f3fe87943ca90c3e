"""What `POST /queue/brief` asks of the database, free of HTTP (CONTRACT 5). What it means is written in `queue_brief_job`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from app.db.acting import ACT_FIRST, acting_as, own_values
from app.db.commit import repeated
from app.logs import current_traceparent
from app.queue.adding import TRACE, to_json
from app.queue.catalog import JOB_TYPES
from app.web.schemas import QueueBriefRequest

_WISHES = (
    ":now, :key_suffix, :scheduled_for, cast(:brief_date as date), :timezone, "
    ":force_immediate, :force_regenerate, cast(:options as jsonb), :max_attempts"
)
_QUEUE = text(f"select * from queue_brief_job(coalesce(cast({TRACE} as uuid), :user_id), {_WISHES})")
_QUEUE_AS_USER = text(
    f"select * from queue_brief_job(coalesce(cast({TRACE} as uuid), {ACT_FIRST}, :user_id), {_WISHES})"
)


@dataclass(frozen=True, slots=True)
class QueuedBrief:
    """The job that makes the brief, as it is stored."""

    job_id: UUID
    job_name: str
    due_at: datetime
    brief_date: str
    deduplicated: bool


def queue_brief(engine: Engine, user_id: UUID, wanted: QueueBriefRequest, now: datetime) -> QueuedBrief | None:
    """Queue a brief, or find the job that makes it already; None for a user who does not exist. `now` is aware.

    It is committed when this returns. Raises as `app/db/commit.py repeated` does.
    """
    asked = {
        "traceparent": current_traceparent() or "",
        "user_id": user_id,
        "now": now,
        "key_suffix": uuid4().hex,  # the same when it is repeated
        "scheduled_for": wanted.scheduledFor,
        "brief_date": wanted.briefDate,
        "timezone": wanted.timezone,
        "force_immediate": bool(wanted.forceImmediate),
        "force_regenerate": bool(wanted.forceRegenerate),
        "options": to_json(wanted.options.model_dump(exclude_none=True) if wanted.options else {}, "options"),
        "max_attempts": JOB_TYPES["generate_daily_brief"].max_attempts,
    }
    own = own_values()
    queue = _QUEUE if own is None else _QUEUE_AS_USER
    with acting_as(None):  # the statement takes the user's rights by itself
        row = repeated(engine, lambda conn: conn.execute(queue, {**asked, **(own or {})}).first())
    return QueuedBrief(*row) if row else None
