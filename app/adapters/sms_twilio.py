"""Text messages through Twilio, with Twilio's own client; each of its answers read for what it says."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from requests.exceptions import ConnectTimeout, RequestException
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from urllib3.exceptions import NewConnectionError

from app.ports.sms import SmsDeferred, SmsError, SmsMessage, SmsReceipt, SmsRefused, SmsUnknown, SmsUnsubscribed
from app.settings import Settings, is_loopback

STATUS_PATH = "/api/webhooks/twilio/status"
UNSUBSCRIBED = "21610"
# Twilio may not have begun with these: 5xx other than "unavailable" can come after the message was taken.
_LATER = {408, 409, 425, 429, 503}
# Twilio's client writes ten lines for every call, with numbers and accounts in them.
_log = logging.getLogger(f"{__name__}.client")
_log.setLevel(logging.WARNING)
_CLOCKS = timedelta(seconds=5)  # how far Twilio's clock may be behind ours
_LOOKED_AT = 50  # the latest messages to a number


class TwilioSms:
    """`Sms` through TWILIO_BASE_URL. Without PUBLIC_URL nobody could tell us what became of a message: no callback is asked for."""

    name = "twilio"

    def __init__(self, settings: Settings) -> None:
        assert settings.private_twilio_auth_token is not None
        self._service = settings.private_twilio_messaging_service_sid
        self._public_url = settings.public_url
        self._client = Client(
            settings.private_twilio_account_sid,
            settings.private_twilio_auth_token.get_secret_value(),
            http_client=_ElsewhereClient(settings.twilio_base_url, settings.twilio_timeout),
        )

    def check(self) -> None:
        """Nothing to object."""

    def send(self, message: SmsMessage) -> SmsReceipt:
        """As `Sms.send`: 4xx is refused, 429 and 503 and no connection deferred, any other silence or 5xx unknown."""
        options: dict[str, Any] = {"to": message.to, "body": message.text, "messaging_service_sid": self._service}
        if self._public_url:
            options["status_callback"] = callback_url(self._public_url, message.delivery_id)
        try:
            taken = self._client.messages.create(**options)
        except (TwilioException, RequestException, ValueError) as error:
            raise _in_words(error) from None
        if not taken.sid:
            raise SmsUnknown("Twilio's answer names no message")
        return SmsReceipt(taken.sid, str(taken.status or "accepted"))

    def find(self, message: SmsMessage, since: datetime) -> SmsReceipt | None:
        """The latest message to that number with these words, made at `since` or later."""
        earliest = since.astimezone(UTC).replace(microsecond=0) - _CLOCKS
        try:
            latest = self._client.messages.list(to=message.to, limit=_LOOKED_AT, page_size=_LOOKED_AT)
        except (TwilioException, RequestException, ValueError) as error:
            raise _in_words(error) from None
        for each in latest:
            if each.body == message.text and each.date_created is not None and each.date_created >= earliest:
                return SmsReceipt(str(each.sid), str(each.status or "accepted"))
        return None


def callback_url(public_url: str, delivery_id: UUID) -> str:
    """Where Twilio tells what became of a copy. It names the copy: the first word may come before the answer to our own call."""
    return f"{public_url}{STATUS_PATH}?delivery={delivery_id}"


class _ElsewhereClient(TwilioHttpClient):
    """Twilio's HTTP client with another host: its own options rewrite subdomains only. Nothing is tried twice."""

    def __init__(self, base_url: str, timeout: float) -> None:
        super().__init__(timeout=timeout, logger=_log)
        self._base_url = base_url
        if is_loopback(urlsplit(base_url).hostname or ""):
            self.session.trust_env = False  # what is on this machine is not behind its proxy

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        """As the original, at our address."""
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return super().request(method, self._base_url + path, *args, **options)


def _in_words(error: Exception) -> SmsError:
    """What went wrong, in one line without addresses (they hold the account)."""
    if isinstance(error, TwilioRestException | TwilioServiceException):
        said = error.msg if isinstance(error, TwilioRestException) else error.detail or error.title
        words = " ".join(str(said or "").split())[:300].removeprefix("Unable to create record: ")
        # A code below 1000 is the client's own: the HTTP status.
        code = str(error.code) if error.code and int(error.code) >= 1000 else None
        line = f"Twilio answered {error.status}{f' ({code})' if code else ''}: {words or 'no reason given'}"
        if code == UNSUBSCRIBED:
            return SmsUnsubscribed(line, code)
        kind = SmsDeferred if error.status in _LATER else SmsRefused if 400 <= error.status < 500 else SmsUnknown
        return kind(line, code)
    if isinstance(error, ConnectTimeout) or isinstance(_reason(error), NewConnectionError):
        return SmsDeferred("Twilio cannot be reached")
    return SmsUnknown(f"no clear answer came from Twilio ({type(error).__name__})")


def _reason(error: Exception) -> Any:
    """Why urllib3 gave up, inside of requests' error."""
    return getattr(error.args[0] if error.args else None, "reason", None)
