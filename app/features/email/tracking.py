"""What readers do with a mail: opens and clicks (CONTRACT 5, 13: no open redirect, and clicks are recorded)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

# The smallest transparent GIF, 1 × 1.
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")

KEPT_EVENTS = 1000  # rows a recipient; the counts go on, and nobody can fill the table through a public address
_LONGEST = 500  # characters kept of what a client says of itself


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asked: as far as a mail client tells."""

    ip_address: str | None
    user_agent: str | None


def record_open(conn: Connection, tracking_id: str, visitor: Visitor, now: datetime) -> bool:
    """Record that a mail was opened. False when there is none of that tracking id."""
    return _record(conn, tracking_id, "opened", None, visitor, now)


def record_click(conn: Connection, tracking_id: str, url: str, visitor: Visitor, now: datetime) -> bool:
    """Record a click on a link. False, and nothing recorded, when `url` was not in that mail."""
    if not _readable(tracking_id) or "\x00" in url:
        return False
    known = conn.execute(
        text("""
            select 1 from emails e join email_links l on l.email_id = e.id
            where e.tracking_id = :tracking_id and md5(l.url) = md5(:url) and l.url = :url
        """),
        {"tracking_id": tracking_id, "url": url},
    ).first()
    if known is None:
        return False
    _record(conn, tracking_id, "clicked", url, visitor, now)
    return True


_COUNT = text("""
    update email_recipients r
    set open_count = open_count + case when :event = 'opened' then 1 else 0 end,
        opened_at = case when :event = 'opened' then coalesce(opened_at, :now) else opened_at end,
        click_count = click_count + case when :event = 'clicked' then 1 else 0 end,
        clicked_at = case when :event = 'clicked' then coalesce(clicked_at, :now) else clicked_at end
    from emails e where e.tracking_id = :tracking_id and r.email_id = e.id
    returning r.id, r.user_id, r.email_id, r.open_count + r.click_count as events
""")
_NOTE = text("""
    insert into email_tracking_events
        (user_id, email_id, recipient_id, event_type, event_data, clicked_url, ip_address, user_agent, created_at)
    values (:user_id, :email_id, :recipient_id, :event, cast(:data as jsonb), :url, :ip, :agent, :now)
""")


def _record(conn: Connection, tracking_id: str, event: str, url: str | None, visitor: Visitor, now: datetime) -> bool:
    if not _readable(tracking_id):
        return False
    rows = conn.execute(_COUNT, {"tracking_id": tracking_id, "event": event, "now": now}).all()
    for row in rows:
        if row.events > KEPT_EVENTS:
            continue
        values = {
            "user_id": row.user_id,
            "email_id": row.email_id,
            "recipient_id": row.id,
            "event": event,
            "data": json.dumps({"trackingId": tracking_id}),
            "url": url,
            "ip": _short(visitor.ip_address),
            "agent": _short(visitor.user_agent),
            "now": now,
        }
        conn.execute(_NOTE, values)
    return bool(rows)


def _readable(tracking_id: str) -> bool:
    return 0 < len(tracking_id) <= 200 and "\x00" not in tracking_id and tracking_id.isprintable()


def _short(value: str | None) -> str | None:
    return value and value.replace("\x00", "")[:_LONGEST]
