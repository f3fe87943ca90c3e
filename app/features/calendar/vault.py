"""What is stored encrypted: tokens of Google, addresses of feeds (CONTRACT 10)."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

# For development alone: production refuses to start without a key of its own where there is something worth hiding.
_NO_SECRET = urlsafe_b64encode(hashlib.sha256(b"buildos development").digest())


class NoLongerReadable(Exception):
    """It was encrypted under a key that we do not have."""


class Vault:
    """Encrypts and decrypts. `keys` are Fernet keys separated by commas: the first encrypts, all decrypt."""

    def __init__(self, keys: str | None) -> None:
        self._keys = keys.split(",") if keys else [_NO_SECRET]

    @cached_property
    def _fernet(self) -> MultiFernet:
        from cryptography.fernet import Fernet, MultiFernet  # slow to import; most processes open no secret

        return MultiFernet([Fernet(key) for key in self._keys])

    def lock(self, value: dict[str, Any]) -> str:
        """`value` as text that only a key opens."""
        return self._fernet.encrypt(json.dumps(value).encode()).decode("ascii")

    def unlock(self, text: str) -> dict[str, Any]:
        """What was locked. Raises NoLongerReadable."""
        from cryptography.fernet import InvalidToken

        try:
            return json.loads(self._fernet.decrypt(text.encode()))
        except InvalidToken:
            raise NoLongerReadable(
                "CALENDAR_TOKEN_KEY does not open what is stored: connect the calendar again"
            ) from None


def digest(secret: str) -> str:
    """What is kept of a secret that we only have to recognise."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def matches(given: str, kept: str) -> bool:
    """Whether `given` is the secret whose digest was kept, in a time that does not tell."""
    return hmac.compare_digest(digest(given), kept)
