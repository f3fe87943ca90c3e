"""What keeps the queue healthy by itself: stalled jobs, folded counts, the settings that SQL reads."""

from __future__ import annotations

from sqlalchemy import Connection, text

from app.queue.claims import Claim
from app.settings import Settings

ROW_EVENTS_KEPT_HOURS = 25  # a browser may ask for what it missed in the last 24


def take_back_stalled(conn: Connection, timeout_ms: int) -> list[tuple[Claim, str]]:
    """Jobs without a heartbeat for `timeout_ms`: back to `pending`, or `failed` at the last attempt.

    Returns each with the state it has now; the claim is the one that was lost.
    """
    rows = conn.execute(
        text(
            "select id::text, queue_job_id, user_id::text, job_type::text, metadata::text, attempts, max_attempts, fencing_token, "
            "task_id, status "
            "from take_back_stalled_jobs(make_interval(secs => :seconds))"
        ),
        {"seconds": timeout_ms / 1000},
    )
    return [(Claim(*row[:-1]), row[-1]) for row in rows]


def fold_counts(conn: Connection) -> None:
    """Add the settled history to the counts, so that statistics stay as fast as they are small."""
    conn.execute(text("select fold_queue_counts()"))


def prune_row_events(conn: Connection) -> int:
    """Delete what browsers were told more than a day ago; at most 10,000 rows a call. Returns how many.

    Looks at the oldest rows alone, so that a call that finds nothing costs nothing.
    """
    return conn.execute(
        text(
            "delete from row_events where (xid, id) in ("
            "select xid, id from (select xid, id, at from row_events order by xid, id limit 10000) oldest "
            "where at < clock_timestamp() - make_interval(hours => :hours))"
        ),
        {"hours": ROW_EVENTS_KEPT_HOURS},
    ).rowcount


def write_settings(conn: Connection, settings: Settings) -> None:
    """Put the settings that SQL functions read where every client finds them (CONTRACT 2)."""
    values = {
        "RETRY_BACKOFF_BASE": settings.retry_backoff_base,
        "QUEUE_PRIORITY_AGING": settings.queue_priority_aging,
        "QUEUE_CROWD_SHARE": settings.queue_crowd_share,
        "QUEUE_NOTIFY": str(settings.queue_notify).lower(),
        "ENGAGEMENT_BACKOFF_ENABLED": str(settings.engagement_backoff_enabled).lower(),
    }
    conn.execute(
        text(
            "insert into queue_settings (key, value) values (:key, :value) on conflict (key) do update "
            "set value = excluded.value, updated_at = now() where queue_settings.value <> excluded.value"
        ),
        [{"key": key, "value": str(value)} for key, value in values.items()],
    )
