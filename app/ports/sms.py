"""What we need from whoever carries our text messages: one message to one number, and an honest word about what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SmsMessage:
    """A text message, ready to leave. `to` is E.164; `delivery_id` names this one copy, and comes back with what is heard of it."""

    delivery_id: UUID
    to: str
    text: str


@dataclass(frozen=True, slots=True)
class SmsReceipt:
    """The provider has the message: `sid` is its name there, `status` what the provider said of it."""

    sid: str
    status: str


class SmsError(Exception):
    """The message did not go. The text is one line for people and holds no secret; `code` is the provider's, where it gave one."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class SmsRefused(SmsError):
    """Surely not gone, and trying again cannot help: no such number, wrong credentials, nothing configured."""


class SmsUnsubscribed(SmsRefused):
    """Refused because the number has told the provider to stop."""


class SmsDeferred(SmsError):
    """Surely not gone, and trying again may help: no connection, too many requests, down for the moment."""


class SmsUnknown(SmsError):
    """It was handed over, and no clear answer came: it may have gone or not."""


class Sms(Protocol):
    """A way for text messages to leave. Never tries twice: retries are the queue's business."""

    name: str  # twilio, none

    def check(self) -> None:
        """Raises SmsRefused where nothing can be sent at all, whatever it is."""
        ...

    def send(self, message: SmsMessage) -> SmsReceipt:
        """Hand the message over. Raises SmsRefused, SmsUnsubscribed, SmsDeferred, SmsUnknown."""
        ...

    def find(self, message: SmsMessage, since: datetime) -> SmsReceipt | None:
        """The copy of a message that went at `since` (aware) or later, although no answer came; None where there is none.

        Raises SmsError when that cannot be found out now.
        """
        ...
