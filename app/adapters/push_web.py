"""Web Push (RFC 8030, 8188, 8291, 8292): encrypted for one browser, signed with our VAPID key, posted to its push service.

Users choose the address by subscribing, so it is posted to as to a stranger's: https, public addresses, no redirects.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid, VapidException
from pywebpush import WebPushException, webpush

from app.adapters.push_json import encode
from app.adapters.safe_http import ForbiddenTarget, NoReply, post
from app.ports.push import (
    PushDeferred,
    PushError,
    PushGone,
    PushMessage,
    PushRefused,
    PushUnknown,
    Subscription,
)
from app.settings import Settings

TIMEOUT = 10.0  # seconds a push service may take
KEPT = 24 * 3600  # seconds a push service keeps a message for a browser that is away


class WebPush:
    """`Push` to the browsers' own push services. `settings` hold the VAPID keys."""

    name = "web"

    def __init__(self, settings: Settings, *, timeout: float = TIMEOUT, tls: ssl.SSLContext | None = None) -> None:
        self._key = Vapid.from_raw(settings.vapid_private_key.get_secret_value().encode())
        self._subject = settings.vapid_subject
        self._allow_insecure = settings.push_allow_insecure
        self._timeout = timeout
        self._tls = tls

    def send(self, subscription: Subscription, message: PushMessage, handing_over: Callable[[], None]) -> None:
        """As `Push.send`."""
        wire = _Wire(handing_over, self._timeout, self._allow_insecure, self._tls)
        try:
            webpush(
                {"endpoint": subscription.endpoint, "keys": {"p256dh": subscription.p256dh, "auth": subscription.auth}},
                data=encode(message),
                vapid_private_key=self._key,
                vapid_claims={"sub": self._subject},
                ttl=KEPT,
                # A copy that is still with the push service is replaced by one of the same topic.
                headers={"topic": message.id.hex, "urgency": "high" if message.urgent else "normal"},
                requests_session=wire,
            )
        except WebPushException as error:
            if error.status_code is None:
                raise PushRefused("its keys cannot be used") from None
            raise _refusal(error.status_code) from None
        except (VapidException, ValueError, TypeError, IndexError):
            if wire.handed_over:
                raise
            raise PushRefused("its keys cannot be used") from None


def make_keys() -> tuple[str, str]:
    """A new pair of VAPID keys: (public, private), in base64url."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return _base64url(public), _base64url(key.private_numbers().private_value.to_bytes(32, "big"))


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass
class _Answer:
    """As much of a response as pywebpush looks at."""

    status_code: int
    reason: str = ""
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class _Wire:
    """The session pywebpush posts with: its one request goes by way of `safe_http`."""

    handing_over: Callable[[], None]
    timeout: float
    allow_insecure: bool
    tls: ssl.SSLContext | None
    handed_over: bool = False

    def post(self, endpoint: str, *, data: bytes, headers: Any, **_: Any) -> _Answer:
        self.handing_over()
        self.handed_over = True
        try:
            reply = post(
                endpoint,
                data,
                {name: str(value) for name, value in headers.items()},
                timeout=self.timeout,
                allow_insecure=self.allow_insecure,
                allow_this_machine=False,
                tls=self.tls,
            )
        except ForbiddenTarget as error:
            raise PushRefused(f"its push service is not posted to: {error}") from None
        except NoReply as error:
            raise (PushUnknown if error.handed_over else PushDeferred)(f"its push service: {error}") from None
        except (ValueError, UnicodeError):
            raise PushRefused("its address cannot be used") from None
        return _Answer(reply.status)


def _refusal(status: int) -> PushError:
    """404 and 410 end a subscription; "later" and trouble over there pass; anything else stays as it is."""
    if status in (404, 410):
        return PushGone(f"the subscription has ended ({status})")
    if status >= 500 or status in (408, 425, 429):
        return PushDeferred(f"the push service failed ({status})")
    return PushRefused(f"the push service answered {status}")
