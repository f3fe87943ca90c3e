"""How often anybody may call: Flask-Limiter counts in Redis, for all API processes together (CONTRACT 10, docs/security.md).

A user is counted as such wherever the calls come from, the service key likewise; strangers, and public addresses whoever calls
them, by the address they call from. Without Redis everybody passes, an alert says so, and nobody waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from flask import Flask, Response, current_app, request
from flask_limiter import Limiter, RateLimitExceeded
from limits import parse
from limits.storage import RedisStorage
from redis.exceptions import RedisError

from app.identity.caller import ANONYMOUS_CALLER, Caller, CallerKind
from app.identity.keys import KeysAway
from app.identity.tokens import NotAuthenticated
from app.settings import Settings
from app.web.endpoint import identified, services
from app.web.errors import ApiError, error_response

log = structlog.get_logger("api")

TIMEOUT = 0.2  # seconds Redis may take
PAUSE = 5.0  # seconds without it before it is asked again
PREFIX = "buildos:rates"
MESSAGE = "Too many requests; try again later"


class PassingStorage(RedisStorage):
    """Counts in Redis. While it is away everything counts as the first: asked every few seconds by one request, by no other."""

    STORAGE_SCHEME: ClassVar = ["passing+redis", "passing+rediss", "passing+unix"]

    def __init__(self, uri: str, *, clock: Callable[[], float] = time.monotonic, **options: Any) -> None:
        super().__init__(uri.removeprefix("passing+"), **options)
        self._clock = clock
        self._away_until: float | None = None

    @property
    def is_away(self) -> bool:
        """Whether limits are off at the moment, as Redis does not answer."""
        return self._away_until is not None

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        return self._asked(lambda: super(PassingStorage, self).incr(key, expiry, amount), 0)

    def get_expiry(self, key: str) -> float:
        return self._asked(lambda: super(PassingStorage, self).get_expiry(key), time.time() + 1)

    def _asked(self, ask: Callable[[], Any], otherwise: Any) -> Any:
        if self._away_until is not None:
            if self._clock() < self._away_until:
                return otherwise
            self._away_until = self._clock() + PAUSE  # the others pass while this one finds out
        try:
            answer = ask()
        except (RedisError, OSError) as error:
            if not self.is_away:
                log.error("rate limits are off: Redis does not answer", error=type(error).__name__)
            self._away_until = self._clock() + PAUSE
            return otherwise
        if self.is_away:
            self._away_until = None
            log.warning("rate limits are on again")
        return answer


def limit_rates(app: Flask, settings: Settings) -> Limiter | None:
    """Count every request of `app`, and refuse with 429 what is too much; None where RATE_LIMITS is off."""
    if not settings.rate_limits:
        return None
    app.extensions["buildos.rates"] = limiter = Limiter(
        _counted_as,
        app=app,
        application_limits=[lambda: getattr(settings, f"rate_limit_{_kind()}")],
        storage_uri=f"passing+{settings.redis_url}",
        storage_options={"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT, "retry": None, "key_prefix": PREFIX},
        strategy="fixed-window",
    )
    app.register_error_handler(RateLimitExceeded, _refused)
    app.extensions["buildos.instruments"].watch_limits(lambda: limiter.storage.is_away)
    return limiter


def spend(items: int) -> None:
    """Count what one request adds at once, beside the request itself. Raises ApiError 429 when that is too much; the whole counts."""
    limiter: Limiter | None = current_app.extensions.get("buildos.rates")
    if limiter is None or items == 0:
        return
    allowed = parse(services().settings.rate_limit_items)
    if not limiter.limiter.hit(allowed, _counted_as(), "items", cost=items):
        ends = limiter.storage.get_expiry(allowed.key_for(_counted_as(), "items"))
        current_app.extensions["buildos.instruments"].refused("items")
        raise ApiError(429, "Too many jobs; try again later", retry_after=_seconds(ends))


def may_ask(app: Flask, user_id: UUID) -> bool:
    """Count a message of that user over Socket.IO, as RATE_LIMIT_USER has it, beside the requests; False where it is too much."""
    return _hit(app, "user", app.extensions["buildos"].settings.rate_limit_user, f"user:{user_id}", "messages") is None


class HandshakeGate:
    """WSGI middleware in front of Socket.IO: counts who begins a connection by the address, as RATE_LIMIT_PUBLIC has it, beside the requests."""

    def __init__(self, wsgi: Callable, app: Flask):
        self._wsgi, self._app = wsgi, app

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        begins = environ.get("PATH_INFO", "").startswith("/socket.io") and "sid" not in parse_qs(environ.get("QUERY_STRING", ""))
        rate = self._app.extensions["buildos"].settings.rate_limit_public
        ends = _hit(self._app, "public", rate, environ.get("REMOTE_ADDR", ""), "handshakes") if begins else None
        if ends is None:
            return self._wsgi(environ, start_response)
        with self._app.app_context():
            return error_response(429, MESSAGE, retry_after=_seconds(ends))(environ, start_response)


def _hit(app: Flask, limit: str, rate: str, *counted_as: str) -> float | None:
    """Count one. None, or when there is room again (seconds since 1970) where it is too much."""
    limiter: Limiter | None = app.extensions.get("buildos.rates")
    if limiter is None or limiter.limiter.hit(parse(rate), *counted_as):
        return None
    app.extensions["buildos.instruments"].refused(limit)
    return limiter.storage.get_expiry(parse(rate).key_for(*counted_as))


LIMIT_OF = {CallerKind.USER: "user", CallerKind.OPEN: "user", CallerKind.SERVICE: "service", CallerKind.ANONYMOUS: "stranger"}


def _caller() -> Caller:
    try:
        return identified()
    except (NotAuthenticated, KeysAway):
        return ANONYMOUS_CALLER


def _kind() -> str:
    """Which limit counts: `public`, `user`, `service` or `stranger`."""
    described = getattr(current_app.view_functions.get(request.endpoint or ""), "described_as", None)
    # What is not described is a page, or a part of one.
    return "public" if described is None or described.public else LIMIT_OF[_caller().kind]


def _counted_as() -> str:
    kind = _kind()
    if kind == "service":
        return kind
    return f"{kind}:{_caller().user_id if kind == 'user' and _caller().user_id else request.remote_addr}"


def _seconds(at: float) -> int:
    return max(1, round(at - time.time()))


def _refused(error: RateLimitExceeded) -> Response:
    limiter: Limiter = current_app.extensions["buildos.rates"]
    current_app.extensions["buildos.instruments"].refused(_kind())
    limit = limiter.current_limit
    return error_response(429, MESSAGE, retry_after=_seconds(limiter.storage.get_expiry(limit.key)))
