"""What we need from whoever carries our mail.

One message to one recipient, and an honest word about what became of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class MailMessage:
    """A mail, ready to leave.

    `message_id` is the Message-ID header with its angle brackets, `delivery_id` the idempotency key: both are the same in every
    try. At least one of `text` and `html` is there. `sent_at` is aware.
    """

    message_id: str
    delivery_id: str
    to: str
    subject: str
    sent_at: datetime
    user_id: UUID
    text: str | None = None
    html: str | None = None
    event_id: str | None = None


class MailError(Exception):
    """The mail did not go. The message is one line for people and holds no secret."""


class MailRefused(MailError):
    """Surely not gone, and trying again cannot help: no such mailbox, wrong password, too large."""


class MailDeferred(MailError):
    """Surely not gone, and trying again may help: no connection, busy, greylisted."""


class MailUnknown(MailError):
    """It was handed over, and no answer came: it may have gone or not."""


class Mail(Protocol):
    """A way for mail to leave."""

    name: str  # smtp, webhook, outbox

    def send(self, message: MailMessage, handing_over: Callable[[], None]) -> str:
        """Send, and return the id under which the other side knows it.

        `handing_over` is called once, at the last moment at which the mail has surely not gone; what it raises passes through
        and nothing is sent. Raises MailRefused, MailDeferred, MailUnknown.
        """
        ...

    def has_gone(self, message: MailMessage) -> bool:
        """Whether a mail of this delivery id is known to have gone. False where this cannot be found out."""
        ...
