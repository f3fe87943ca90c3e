"""Which web pages may call (CONTRACT 5): one gate in front of everything, Socket.IO included.

Requests without an origin, from the server's own origin and from ALLOWED_ORIGINS pass; others get 403.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from app.settings import Settings

METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
EXPOSED = "Retry-After"
PREFLIGHT_AGE = 600  # seconds a browser may remember the answer


class OriginGate:
    """WSGI middleware: refuses other origins, answers preflights, lets the allowed read the answer."""

    def __init__(self, app: Callable, settings: Settings):
        self._app = app
        self._allowed = frozenset(origin.lower() for origin in settings.allowed_origins)
        self._public = _origin_of(settings.public_url) if settings.public_url else None

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            return self._app(environ, start_response)
        if not self._passes(origin, environ):
            return _answer(
                start_response, "403 Forbidden", {"error": "Origin not allowed", "code": "origin_not_allowed"}
            )
        shared = [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", EXPOSED),
            ("Vary", "Origin"),
        ]
        if environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
            start_response("204 No Content", [*shared, *_preflight(environ)])
            return [b""]

        def start(status: str, headers: list, exc_info: Any = None) -> Callable:
            return start_response(status, [*headers, *shared], exc_info)

        return self._app(environ, start)

    def _passes(self, origin: str, environ: dict) -> bool:
        origin = origin.lower()
        if origin in self._allowed or origin == self._public:
            return True
        host = environ.get("HTTP_HOST", "").lower()
        return bool(host) and origin == f"{environ['wsgi.url_scheme']}://{host}"


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _preflight(environ: dict) -> list[tuple[str, str]]:
    wanted = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
    return [
        ("Access-Control-Allow-Methods", METHODS),
        ("Access-Control-Allow-Headers", wanted or "Content-Type, Authorization"),
        ("Access-Control-Max-Age", str(PREFLIGHT_AGE)),
        ("Content-Length", "0"),
    ]


def _answer(start_response: Callable, status: str, body: dict) -> list[bytes]:
    content = json.dumps(body).encode()
    start_response(
        status, [("Content-Type", "application/json"), ("Content-Length", str(len(content))), ("Vary", "Origin")]
    )
    return [content]
