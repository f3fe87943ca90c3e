"""What settings are checked and rewritten with: pure, and without a look at the environment."""

from __future__ import annotations

import base64
from ipaddress import ip_address


def encryption_keys(value: str) -> list[str]:
    """Fernet keys, separated by commas. Raises ValueError saying what is expected, without the value."""
    keys = [part.strip() for part in value.split(",") if part.strip()]
    for key in keys:
        try:
            right = len(base64.urlsafe_b64decode(key.encode("ascii"))) == 32
        except ValueError:
            right = False
        if not right:
            raise ValueError("expects 32 bytes in url-safe base64, as docs/calendar.md makes them")
    return keys


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine, without asking anybody."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def vapid_public(private: str) -> str | None:
    """The public key of a private one, both in base64url; None where that is no key."""
    from cryptography.hazmat.primitives.asymmetric import ec  # slow to import, and needed with keys alone
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        number = int.from_bytes(base64.urlsafe_b64decode(private + "=" * (-len(private) % 4)), "big")
        key = ec.derive_private_key(number, ec.SECP256R1())
    except ValueError:
        return None
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def plain_url(url: str) -> str:
    """`postgresql+psycopg://…` or `postgres://…` as libpq spells it."""
    return "postgresql://" + url.split("://", 1)[1]


def sqlalchemy_url(url: str) -> str:
    """Any spelling of a Postgres address as SQLAlchemy wants it, with psycopg as the driver."""
    return "postgresql+psycopg://" + url.split("://", 1)[1]
