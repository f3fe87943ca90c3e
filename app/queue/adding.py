"""Adding a job: one row in the caller's own transaction (CONTRACT 3, add_queue_job)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from app.logs import current_traceparent
from app.queue.catalog import find_type, read_metadata
from app.queue.errors import InvalidMetadata, NewerMetadata, UnknownUser


@dataclass(frozen=True)
class AddedJob:
    """A job as it is stored. `deduplicated`: it was there already, under the same idempotency key."""

    id: UUID
    queue_job_id: str
    scheduled_for: datetime
    deduplicated: bool


_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # the escape, not a text that shows a backslash and these letters
MOST_KEY_LENGTH = 500  # characters; what an index of Postgres takes for sure

# The trace that a job belongs to, left where the default of its column finds it. Always null: it stands in for nothing, and is reckoned
# before the function that takes it as an argument is called, so that it costs no round trip.
TRACE = "nullif(set_config('buildos.traceparent', :traceparent, true), :traceparent)"

_ADD = text(
    f"select * from enqueue_job(coalesce(cast({TRACE} as uuid), :user_id), :job_type, cast(:metadata as jsonb), :priority, "
    "coalesce(cast(:scheduled_for as timestamptz), now()), :dedup_key, :max_attempts)"
)


def add_job(
    conn: Connection,
    job_type: str,
    *,
    user_id: UUID | None,
    metadata: dict[str, Any],
    priority: int | None = None,
    scheduled_for: datetime | None = None,
    dedup_key: str | None = None,
) -> AddedJob:
    """Add a job that becomes due at `scheduled_for` (aware; default now) unless a live or completed one holds `dedup_key`.

    The default priority is the type's. Raises InvalidMetadata when the metadata does not fit its type's model or is not
    JSON that Postgres can store or the key is too long, and UnknownUser. Nothing runs before the caller's transaction commits.
    """
    known = find_type(job_type)
    check_job(job_type, user_id, metadata, dedup_key)
    if user_id is not None and conn.execute(text("select 1 from users where id = :id"), {"id": user_id}).first() is None:
        raise UnknownUser("User not found")
    row = conn.execute(
        _ADD,
        {
            "traceparent": current_traceparent() or "",
            "user_id": user_id,
            "job_type": job_type,
            "metadata": to_json(metadata, "metadata"),
            "priority": known.priority if priority is None else priority,
            "scheduled_for": scheduled_for,
            "dedup_key": dedup_key,
            "max_attempts": known.max_attempts,
        },
    ).one()
    return AddedJob(row.job_id, row.job_name, row.due_at, row.deduplicated)


def check_job(job_type: str, user_id: UUID | None, metadata: dict[str, Any], dedup_key: str | None) -> None:
    """What can be said of a job before it is added. Raises InvalidMetadata, and UnknownUser where a user is missing."""
    if dedup_key is not None and ("\x00" in dedup_key or not 1 <= len(dedup_key) <= MOST_KEY_LENGTH):
        raise InvalidMetadata("dedupKey", f"expects 1 to {MOST_KEY_LENGTH} characters")
    try:
        read_metadata(job_type, metadata, user_id)
    except NewerMetadata:
        raise InvalidMetadata("metadata.metadataVersion", "is newer than this release knows") from None
    if user_id is None and find_type(job_type).needs_user:
        raise UnknownUser("a job of this type needs a user")


def to_json(value: Any, field: str) -> str:
    """`value` as JSON that a jsonb column takes. Raises InvalidMetadata for anything else: NaN, NUL, lone surrogates, too deep."""
    try:
        encoded = json.dumps(value, allow_nan=False)
        if _NUL.search(encoded):
            raise ValueError("holds a NUL character")
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMetadata(field, f"is not JSON that can be stored: {error}") from None
    return encoded
