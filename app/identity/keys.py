"""The public keys that an identity provider signs its users' tokens with, read from its JWKS address (CONTRACT 10).

A key that is known is used at once, whether the address answers or not; the set is read again in the background. A key that is not
known makes one look, at most every few seconds however many strangers name keys of their own invention.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from threading import Lock, Thread

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWKClient, PyJWKSet, PyJWTError

log = structlog.get_logger("identity")

ALGORITHMS = ("RS256", "ES256")
SMALLEST_RSA = 2048  # bits

TIMEOUT = 3.0  # seconds the address may take
FRESH = 600.0  # seconds a set is believed without another look
KEPT = 86_400.0  # seconds it is used while the address is away
PAUSE = 10.0  # seconds between two looks at least


class KeysAway(Exception):
    """Whether a token is good cannot be said now: its key is not known, and the address does not answer."""


class KeySet:
    """The keys at one address. `clock` gives seconds that only grow; `spawn` runs a function in the background."""

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        spawn: Callable[[Callable[[], object]], object] = lambda work: Thread(target=work, daemon=True).start(),
    ) -> None:
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=TIMEOUT)
        self._clock, self._spawn = clock, spawn
        self._reading = Lock()
        self._keys: dict[str | None, PyJWK] = {}
        self._read_at = self._tried_at = float("-inf")

    def find(self, kid: str | None) -> PyJWK | None:
        """The key of that name; without a name the only one there is. None where there is no such key. Raises KeysAway."""
        now = self._clock()
        known = self._named(kid)
        if known is not None and now - self._read_at <= KEPT:
            if now - self._read_at > FRESH and now - self._tried_at > PAUSE:
                self._spawn(self._look)
            return known
        if not self._look():
            raise KeysAway("The keys of the identity provider cannot be read")
        return self._named(kid)

    def _named(self, kid: str | None) -> PyJWK | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _look(self) -> bool:
        """Read the set unless that was tried a moment ago; of many at once one does, and the others wait. Whether the last try
        succeeded."""
        with self._reading:
            if self._clock() - self._tried_at > PAUSE:
                self._tried_at = self._clock()
                try:
                    self._keys, self._read_at = _usable(self._client.get_jwk_set(refresh=True)), self._clock()
                except (PyJWTError, ValueError, OSError) as error:
                    log.warning("the keys of the identity provider cannot be read", error=type(error).__name__)
            return self._read_at >= self._tried_at


def _usable(found: PyJWKSet) -> dict[str | None, PyJWK]:
    return {key.key_id: key for key in found.keys if key.public_key_use in ("sig", None) and _is_strong(key)}


def _is_strong(key: PyJWK) -> bool:
    """Public keys of the two algorithms alone: a shared secret has no business in a public set."""
    if isinstance(key.key, RSAPublicKey):
        return key.algorithm_name == "RS256" and key.key.key_size >= SMALLEST_RSA
    return isinstance(key.key, EllipticCurvePublicKey) and key.algorithm_name == "ES256"


@lru_cache(maxsize=8)
def keys_at(url: str) -> KeySet:
    """The keys of this process at that address."""
    return KeySet(url)
