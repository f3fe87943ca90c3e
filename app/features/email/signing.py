"""The signature of an email webhook, for those we send and those we take (CONTRACT 8.2)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

FRESH = timedelta(minutes=5)  # how far a timestamp may be from our clock, either way


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 of `<timestamp>.<body>`."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def is_bearer(header: str | None, secret: str) -> bool:
    """Whether an Authorization header holds the secret."""
    scheme, _, given = (header or "").partition(" ")
    return same(given.strip(), secret) and scheme.lower() == "bearer"


def is_signed(signature: str, timestamp: str, body: bytes, secret: str, now: datetime) -> bool:
    """Whether the signature is right and its timestamp (ISO 8601 with an offset) at most five minutes away from `now`."""
    right = same(signature.strip().lower(), sign(secret, timestamp, body))
    try:
        at = datetime.fromisoformat(timestamp)
        fresh = at.tzinfo is not None and abs(now - at) <= FRESH
    except (ValueError, OverflowError):
        fresh = False
    return right and fresh
