"""Mail through the web app's webhook.

Signed, tried four times, known to the receiver by its delivery id (CONTRACT 8.2).
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from app.adapters.safe_http import ForbiddenTarget, NoReply, Reply, post
from app.features.email.signing import sign
from app.ports.clock import Clock, SystemClock
from app.ports.mail import MailDeferred, MailError, MailMessage, MailRefused, MailUnknown
from app.settings import Settings

PATH = "/api/webhooks/send-notification-email"
SOURCE = "daily-brief-worker"
TIMEOUT = 30.0  # seconds a try may take
PAUSES = (1.0, 2.0, 4.0)  # seconds before each further try


class WebhookMail:
    """`Mail` to BUILDOS_WEBHOOK_URL. A further try cannot double the mail: the receiver sends a delivery id once."""

    name = "webhook"

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: float = TIMEOUT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._timeout = timeout
        self._tls = tls

    def send(self, message: MailMessage, handing_over: Callable[[], None]) -> str:
        """As `Mail.send`; the id is the receiver's `messageId`.

        Network trouble and 5xx are tried again at once, up to three times.
        """
        body = _body(message)
        handing_over()
        unsure: MailUnknown | None = None
        for pause in (*PAUSES, None):
            try:
                return self._try(body) or message.message_id
            except (MailDeferred, MailUnknown) as error:
                unsure = error if isinstance(error, MailUnknown) else unsure
                if pause is None:
                    raise unsure or error from None
                self._sleep(pause)
            except MailRefused:
                if unsure:
                    raise unsure from None  # an earlier try may have arrived
                raise
        raise AssertionError("the last try raises or returns")

    def has_gone(self, message: MailMessage) -> bool:
        """False: asking is sending again, which the receiver answers without a second copy."""
        return False

    def _try(self, body: bytes) -> str | None:
        settings = self._settings
        secret = settings.private_buildos_webhook_secret.get_secret_value()
        timestamp = self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {secret}",
            "X-Webhook-Signature": sign(secret, timestamp, body),
            "X-Webhook-Timestamp": timestamp,
            "X-Source": SOURCE,
        }
        try:
            reply = post(
                target(settings.buildos_webhook_url),
                body,
                headers,
                timeout=self._timeout,
                allow_insecure=settings.webhook_allow_insecure,
                tls=self._tls,
            )
        except ForbiddenTarget as error:
            raise MailRefused(f"BUILDOS_WEBHOOK_URL is not posted to: {error}") from None
        except NoReply as error:
            kind = MailUnknown if error.handed_over else MailDeferred
            raise kind(f"the webhook gave no answer: {error}") from None
        if 200 <= reply.status < 300:
            return _message_id(reply)
        raise _refusal(reply.status)


def target(url: str) -> str:
    """The address posted to: BUILDOS_WEBHOOK_URL may name the web app alone, or the endpoint."""
    parts = urlsplit(url)
    return parts._replace(path=PATH).geturl() if parts.path in ("", "/") else url


def _body(message: MailMessage) -> bytes:
    return json.dumps(
        {
            "recipientEmail": message.to,
            "recipientUserId": str(message.user_id),
            "subject": message.subject,
            "htmlContent": message.html,
            "textContent": message.text,
            "deliveryId": message.delivery_id,
            "eventId": message.event_id,
        },
        ensure_ascii=False,
    ).encode()


def _refusal(status: int) -> MailError:
    """5xx and "later" are passing; a redirect is not followed, as it may lead anywhere."""
    if status in (401, 403):
        return MailRefused(f"the webhook refuses our secret ({status})")
    if status >= 500 or status in (408, 425, 429):
        return MailDeferred(f"the webhook failed ({status})")
    return MailRefused(f"the webhook answered {status}")


def _message_id(reply: Reply) -> str | None:
    try:
        answer = json.loads(reply.body)
        found = answer.get("messageId") if isinstance(answer, dict) else None
    except (ValueError, RecursionError):
        return None
    return found[:300] if isinstance(found, str) and found else None
