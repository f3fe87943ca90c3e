"""The mail that went out, or is about to, for operators: who got what, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_MAILS = """
    select e.id::text, e.user_id::text, e.subject, e.status, e.created_at, e.sent_at, e.queue_job_id::text,
           r.recipients, r.open_count, r.click_count, r.opened_at, r.clicked_at, l.transport, l.error
    from emails e
    left join lateral (
        select array_agg(recipient_email order by recipient_email) as recipients, sum(open_count)::int as open_count,
               sum(click_count)::int as click_count, min(opened_at) as opened_at, min(clicked_at) as clicked_at
        from email_recipients where email_id = e.id
    ) r on true
    left join lateral (
        select transport, error from email_logs where email_id = e.id order by created_at desc limit 1
    ) l on true
"""
_PAGE = text(
    f"""{_MAILS}
    where cast(:at as timestamptz) is null or (e.created_at, e.id) < (cast(:at as timestamptz), cast(:id as uuid))
    order by e.created_at desc, e.id desc limit :limit
    """
)
_ONE = text(f"{_MAILS} where e.id = :id")
_PARTS = text("select text_content, html_content from emails where id = :id")
_MARKS = text(
    "select event_type, clicked_url, created_at, user_agent from email_tracking_events where email_id = :id order by created_at, id limit 200"
)
_TRIES = text(
    "select attempt, transport, status, error, message_id, queue_job_id::text, created_at from email_logs "
    "where email_id = :id order by created_at limit 50"
)


def list_mails(conn: Connection, *, limit: int, before: tuple[datetime, UUID] | None = None) -> list[dict[str, Any]]:
    """The latest mails, newest first; `before` is the time and id of the last one seen."""
    at, mail_id = before or (None, None)
    return [dict(row) for row in conn.execute(_PAGE, {"at": at, "id": mail_id, "limit": limit}).mappings()]


def find_mail(conn: Connection, mail_id: UUID) -> dict[str, Any] | None:
    """A mail with its `text`, its `tries` and its `marks`, oldest first; None when there is none."""
    row = conn.execute(_ONE, {"id": mail_id}).mappings().first()
    if row is None:
        return None
    parts = conn.execute(_PARTS, {"id": mail_id}).one()
    marks, tries = (conn.execute(query, {"id": mail_id}).mappings() for query in (_MARKS, _TRIES))
    return {
        **row,
        "text": parts.text_content,
        "html": parts.html_content,
        "tries": [dict(each) for each in tries],
        "marks": [dict(each) for each in marks],
    }
