"""Text messages without a provider: each is refused, and says why."""

from __future__ import annotations

from datetime import datetime

from app.ports.sms import SmsMessage, SmsReceipt, SmsRefused

NOT_CONFIGURED = "SMS not configured"


class NoSms:
    """`Sms` where Twilio is not configured (CONTRACT 8.3)."""

    name = "none"

    def check(self) -> None:
        """Raises SmsRefused."""
        raise SmsRefused(NOT_CONFIGURED)

    def send(self, message: SmsMessage) -> SmsReceipt:
        """Raises SmsRefused."""
        raise SmsRefused(NOT_CONFIGURED)

    def find(self, message: SmsMessage, since: datetime) -> SmsReceipt | None:
        """None: nothing ever goes this way."""
        return None
