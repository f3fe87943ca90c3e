"""Holding a job type back, for every dispatcher and every other worker at once: a row of `queue_settings` (CONTRACT 3 and 5).

What runs already finishes; what waits keeps its place.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from app.queue.catalog import JOB_TYPES
from app.queue.dispatching import undispatch


def pause(conn: Connection, job_type: str) -> None:
    """From the commit on, no job of this type begins."""
    _write(conn, job_type, "true")
    _forget_marks(conn, job_type)


def resume(conn: Connection, job_type: str) -> None:
    """Jobs of this type begin again, and dispatchers hear of it with the commit."""
    _write(conn, job_type, "false")
    _forget_marks(conn, job_type)
    conn.execute(text("select wake('queue_jobs', 'due')"))


def paused_types(conn: Connection) -> list[str]:
    """The job types that are paused, by name."""
    names = {f"paused.{name}": name for name in JOB_TYPES}
    keys = conn.execute(
        text("select key from queue_settings where key = any(:keys) and value = 'true'"), {"keys": list(names)}
    )
    return sorted(names[key] for key in keys.scalars())


def _write(conn: Connection, job_type: str, value: str) -> None:
    conn.execute(
        text(
            "insert into queue_settings (key, value) values (:key, :value) "
            "on conflict (key) do update set value = excluded.value, updated_at = now()"
        ),
        {"key": f"paused.{job_type}", "value": value},
    )


def _forget_marks(conn: Connection, job_type: str) -> None:
    """A message that came while the type was paused was refused, and its job would wait for it for ever."""
    ids = conn.execute(
        text(
            "select id from queue_jobs where status = 'pending' and job_type = cast(:type as queue_type) "
            "and dispatched_at is not null"
        ),
        {"type": job_type},
    )
    undispatch(conn, list(ids.scalars()))
