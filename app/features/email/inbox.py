"""Mails that the web app hands to us over the webhook.

Stored and queued in one transaction, each delivery id once (CONTRACT 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from app.features.email import repository, rules, signing
from app.queue.adding import add_job

# A signature is remembered longer than its timestamp can be fresh, on either side of our clock.
KEPT = signing.FRESH * 2 + timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A mail to be sent for somebody else. `delivery_id` is the idempotency key."""

    to: str
    user_id: UUID
    subject: str
    html: str | None
    text: str | None
    delivery_id: str | None
    event_id: str | None


def use_signature(conn: Connection, signature: str, now: datetime) -> bool:
    """Use a right and fresh signature up, in the transaction of what it allows. False when it was used before."""
    return repository.use_signature(conn, signature.strip().lower(), now, KEPT)


def accept(conn: Connection, delivery: Delivery, domain: str) -> tuple[str, bool]:
    """Take a mail over. Returns the Message-ID it will have, and whether it was known already.

    Raises UnknownUser. It leaves when the caller's transaction has committed; the same `delivery_id` again adds nothing.
    """
    details = {
        "source": "webhook",
        "deliveryId": delivery.delivery_id,
        "eventId": delivery.event_id,
        "handed_over": {"html": delivery.html, "text": delivery.text},
    }
    email_id, new = repository.add_delivery(
        conn, delivery.user_id, delivery.delivery_id, rules.subject_line(delivery.subject), details
    )
    if new:
        metadata = {
            "userId": str(delivery.user_id),
            "template": "message",
            "recipientEmail": delivery.to,
            "emailId": str(email_id),
            "deliveryId": delivery.delivery_id,
            "eventId": delivery.event_id,
        }
        add_job(
            conn,
            "send_notification_email",
            user_id=delivery.user_id,
            metadata=metadata,
            dedup_key=f"email-delivery-{email_id}",
        )
    return rules.message_id(email_id, domain), not new
