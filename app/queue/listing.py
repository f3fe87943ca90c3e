"""Everybody's jobs, newest first, a page at a time; what is looked through for one page is bounded, whatever the filter.

Ids grow with time, so the newest come from the primary key, of the archive as well, which is a list of its own. Ids that a client
made itself lie before all others, and are not found by a time before which jobs were added.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from app.queue.many import LIVE, MATCHES, RETRIABLE, JobFilter
from app.queue.reads import COLUMNS, InvalidCursor, JobRow, as_uuid

MOST_LOOKED_AT = 50_000  # jobs for one page
NEAR = timedelta(days=2)  # related jobs are added that close to each other
MOST_RELATED = 50

_COLUMNS = ", ".join(COLUMNS)
_WINDOW = """
    from queue_jobs
    where (cast(:cursor as uuid) is null or id < cast(:cursor as uuid))
      and (cast(:before as timestamptz) is null or id < job_id_at(cast(:before as timestamptz)))
      and (cast(:after as timestamptz) is null or id >= job_id_at(cast(:after as timestamptz)))
"""
_PAGE = f"select {_COLUMNS} from (select * {_WINDOW}"
_PAGE_END = f" order by id desc limit :most) looked_at where {MATCHES} order by id desc limit :limit"
_LAST = f"select id, created_at {_WINDOW}"
_LAST_END = " order by id desc limit 1 offset :most - 1"
_ARCHIVED_PAGE, _ARCHIVED_LAST = (query.replace("from queue_jobs", "from queue_jobs_archive") for query in (_PAGE, _LAST))
# States other than `completed`, and users, have indexes of their own, so that of them the newest are looked at alone; in the archive
# users have.
_OF_STATE = {"": "", **{status: f" and status = '{status}'" for status in (*LIVE, *RETRIABLE)}}
_OF_USER = {False: "", True: " and user_id = :user_id"}


@dataclass(frozen=True)
class Page:
    """Jobs, and the cursor of the next page or None. `searched_to` is how far back was looked where it ends before the page is full."""

    jobs: list[JobRow]
    next_cursor: str | None
    searched_to: datetime | None


def list_jobs(
    conn: Connection,
    wanted: JobFilter,
    *,
    limit: int,
    cursor: str | None = None,
    archived: bool = False,
    most: int = MOST_LOOKED_AT,
) -> Page:
    """The newest jobs of a filter, before the cursor, among the `most` newest that it looks at; of the archive, or of the queue.

    Raises InvalidCursor.
    """
    before = as_uuid(cursor) if cursor is not None else None
    if cursor is not None and before is None:
        raise InvalidCursor("not a cursor of this list")
    page, last = (_ARCHIVED_PAGE, _ARCHIVED_LAST) if archived else (_PAGE, _LAST)
    window = ("" if archived else _OF_STATE.get(wanted.status or "", "")) + _OF_USER[wanted.user_id is not None]
    values = {**vars(wanted), "cursor": before, "most": most, "limit": limit + 1}
    rows = conn.execute(text(page + window + _PAGE_END), values).all()
    jobs = [JobRow(*row) for row in rows[:limit]]
    if len(rows) > limit:
        return Page(jobs, str(jobs[-1].id), None)
    end = conn.execute(text(last + window + _LAST_END), values).first()
    return Page(jobs, str(end.id), end.created_at) if end else Page(jobs, None, None)


_RELATED = text(
    f"""
    select {_COLUMNS} from queue_jobs
    where user_id = :user_id and created_at between :since and :until and id <> :id
      and (metadata ->> 'correlationId' = any(:correlations) or metadata ->> 'retriedFrom' = :name or id = :retried_from
           or metadata ->> 'briefId' = :brief or metadata ->> 'emailId' = :email)
    order by created_at, id limit :most
    """
)


def related_jobs(conn: Connection, job: JobRow) -> list[JobRow]:
    """The jobs of the same user that one led to or came from, oldest first: by correlation id, brief, mail, or as its retry."""
    if job.user_id is None:
        return []
    known = {**(job.result if isinstance(job.result, dict) else {}), **job.metadata}
    named = {name: _text(known.get(name)) for name in ("correlationId", "retriedFrom", "briefId", "emailId")}
    rows = conn.execute(
        _RELATED,
        {
            "id": job.id, "name": str(job.id), "user_id": job.user_id, "since": job.created_at - NEAR, "until": job.created_at + NEAR,
            "correlations": [str(job.id), *filter(None, [named["correlationId"]])], "retried_from": as_uuid(named["retriedFrom"] or ""),
            "brief": named["briefId"], "email": named["emailId"], "most": MOST_RELATED,
        },
    )  # fmt: skip
    return [JobRow(*row) for row in rows]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
