"""What the provider tells us afterwards: what became of a message, and who wants none any more (CONTRACT 5, 8.3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from app.features.sms import repository, rules
from app.features.sms.models import Message
from app.queue.adding import add_job

log = logging.getLogger(__name__)

UNSUBSCRIBED = "21610"
_STATUS = {
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}


def sign(token: str, url: str, fields: Mapping[str, Iterable[str]]) -> str:
    """Twilio's signature of a form that it posts to `url`: the address and every field, in the order of their names."""
    told = url + "".join(name + value for name in sorted(fields) for value in sorted(set(fields[name])))
    return base64.b64encode(
        hmac.new(token.encode(), told.encode("utf-8", "surrogatepass"), hashlib.sha1).digest()
    ).decode()


def is_signed(token: str, url: str, fields: Mapping[str, Iterable[str]], signature: str) -> bool:
    """Whether a signature is right, found out in a time that does not tell where it differs."""
    return hmac.compare_digest(sign(token, url, fields).encode(), signature.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Status:
    """A status callback. `delivery_id` is the copy it names, where it names one."""

    sid: str
    status: str
    error_code: str | None
    delivery_id: UUID | None


def note_status(conn: Connection, told: Status, now: datetime, backoff_base: float) -> None:
    """Note what became of a message; one that was not delivered goes again while a copy is left.

    Late and repeated callbacks change nothing. A message that nobody knows is none of ours. `backoff_base` is in seconds.
    """
    known = _FIND_COPY if told.delivery_id else _FIND_SID
    found = conn.execute(known, {"sid": told.sid, "delivery": told.delivery_id}).first()
    if found is None or not told.sid or told.status not in rules.RANKS:
        log.info("sms.callback_ignored sid=%s status=%s", told.sid[:40], told.status[:20])
        return
    if told.error_code == UNSUBSCRIBED:  # before the message is locked: preferences come first, everywhere
        repository.set_opted_out(conn, found.phone_number, True, now)
    message = repository.lock_message(conn, found.message_id)
    if message is None:
        return
    if found.delivery_id is not None:
        repository.mark_taken(conn, found.delivery_id, told.sid, now)
        if not _note_copy(conn, found.delivery_id, told) or not _is_latest(conn, found.delivery_id, message.id):
            return
        message = repository.lock_message(conn, message.id) or message
    if message.twilio_sid not in (None, told.sid) or not rules.is_news(message.twilio_status, told.status):
        return
    conn.execute(
        _NOTE_MESSAGE,
        {
            "id": message.id,
            "sid": told.sid,
            "twilio_status": told.status,
            "status": _STATUS.get(told.status, "sent"),
            "code": told.error_code,
            "now": now,
        },
    )
    if told.status in ("failed", "undelivered") and told.error_code != UNSUBSCRIBED:
        _send_again(conn, message, told, now, backoff_base)


def note_inbound(conn: Connection, number: str, body: str, opt_out_type: str | None, now: datetime) -> bool | None:
    """STOP and START, and their synonyms, from a number. Returns what it was: True for stop, False for start, None for neither."""
    out = rules.opts_out(body, opt_out_type)
    if out is not None:
        changed = repository.set_opted_out(conn, number, out, now)
        log.info("sms.opted_%s users=%d", "out" if out else "in", changed)
    return out


def _note_copy(conn: Connection, copy_id: UUID, told: Status) -> bool:
    """Note the status of a copy. False when it is old."""
    known = conn.execute(
        text("select twilio_status from sms_delivery where id = :id for update"), {"id": copy_id}
    ).scalar_one()
    if not rules.is_news(known, told.status):
        return False
    conn.execute(
        text(
            "update sms_delivery set twilio_status = :status, error_code = coalesce(:code, error_code) where id = :id"
        ),
        {"id": copy_id, "status": told.status, "code": told.error_code},
    )
    return True


def _is_latest(conn: Connection, copy_id: UUID, message_id: UUID) -> bool:
    last = repository.last_copy(conn, message_id)
    return last is not None and last.id == copy_id


def _send_again(conn: Connection, message: Message, told: Status, now: datetime, backoff_base: float) -> None:
    """Queue the next copy, while one is left; the n-th waits twice as long as the one before it."""
    copies = max(1, message.attempt_count)
    if copies >= message.max_attempts:
        return
    at = now + rules.retry_delay(backoff_base, copies)
    metadata = {
        "userId": str(message.user_id),
        "phone_number": message.phone_number,
        "message": message.text,
        "message_id": str(message.id),
        "retry_attempt": copies,
        "urgent": message.urgent,
    }
    if message.event_id is not None:
        metadata["eventId"] = str(message.event_id)
    added = add_job(
        conn,
        "send_sms",
        user_id=message.user_id,
        metadata=metadata,
        priority=rules.URGENT if message.urgent else rules.ORDINARY,
        scheduled_for=at,
        dedup_key=f"sms-{message.id}-retry-{copies}",
    )
    reason = f"{told.status}{f' ({told.error_code})' if told.error_code else ''}: goes again"
    repository.set_status(conn, message.id, "pending", reason, scheduled_for=at, job_id=added.id)


_FIND_COPY = text("""
    select m.id as message_id, d.id as delivery_id, m.phone_number
    from sms_delivery d join sms_messages m on m.id = d.message_id
    where d.id = :delivery and (d.twilio_sid is null or d.twilio_sid = :sid)
""")
_FIND_SID = text("""
    select m.id as message_id, d.id as delivery_id, m.phone_number
    from sms_delivery d join sms_messages m on m.id = d.message_id where d.twilio_sid = :sid
    union all
    select id, null, phone_number from sms_messages where twilio_sid = :sid
    limit 1
""")
_NOTE_MESSAGE = text("""
    update sms_messages
    set twilio_sid = :sid, twilio_status = :twilio_status, status = :status, error_code = :code,
        delivered_at = case when :status = 'delivered' then coalesce(delivered_at, :now) else delivered_at end,
        sent_at = coalesce(sent_at, :now)
    where id = :id
""")
