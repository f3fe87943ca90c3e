"""What we need from whoever carries a push to a browser: one message to one subscription, and an honest word about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Subscription:
    """A browser that takes pushes: where its push service is, and its keys in base64url."""

    id: UUID
    endpoint: str
    p256dh: str
    auth: str


@dataclass(frozen=True, slots=True)
class PushMessage:
    """What the browser's service worker gets. `id` is the same in every try: a copy replaces what is shown already."""

    id: UUID
    event_type: str
    title: str
    body: str
    url: str | None
    correlation_id: str
    urgent: bool = False


class PushError(Exception):
    """The push did not go. The message is one line for people and holds no endpoint and no key."""


class PushGone(PushError):
    """The subscription has ended: the browser took it back, or it expired."""


class PushRefused(PushError):
    """Surely not gone, and trying again cannot help: a wrong key, too large, an address we do not post to."""


class PushDeferred(PushError):
    """Surely not gone, and trying again may help: no connection, too many, out of order."""


class PushUnknown(PushError):
    """It was handed over, and no answer came: it may have gone or not."""


class Push(Protocol):
    """A way for pushes to leave."""

    name: str  # web, local

    def send(self, subscription: Subscription, message: PushMessage, handing_over: Callable[[], None]) -> None:
        """Send. Returns once the push service has taken it.

        `handing_over` is called once, at the last moment at which the push has surely not gone; what it raises passes
        through and nothing is sent. Raises PushGone, PushRefused, PushDeferred, PushUnknown.
        """
        ...
