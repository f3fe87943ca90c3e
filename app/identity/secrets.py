"""Production does not start with secrets that are missing, short, or known to everybody (CONTRACT 10)."""

from __future__ import annotations

from collections.abc import Iterator
from hmac import compare_digest
from urllib.parse import urlsplit

from pydantic import SecretStr

from app.settings import Settings, SettingsError

SHORTEST = 16  # characters of a secret
SHORTEST_HS256 = 32  # bytes, as RFC 7518 asks for
# From manuals, examples and local setups; whatever contains one of them is no secret.
KNOWN = (
    "changeme", "change-me", "change_me", "secret-jwt-token", "your-", "your_", "example", "placeholder", "password", "secret123", "123456",
    "service key", "service_key", "service-key", "xxxxxxxx", "a secret of",
)  # fmt: skip
PASSWORDS = ("postgres", "password", "buildos", "admin", "root", "secret", "example", "changeme", "redis", "guest")


def check_secrets(settings: Settings, *, serving: bool) -> None:
    """Raises SettingsError naming each secret that production must not start with, never its value. `serving`: also those that only
    the API needs."""
    if settings.app_env != "production":
        return
    weak = [*(_of_callers(settings) if serving else ()), *_of_servers(settings), *_of_webhooks(settings)]
    if weak:
        raise SettingsError("; ".join(weak))


def _of_callers(settings: Settings) -> Iterator[str]:
    if settings.auth_mode != "jwt":
        return
    if not _text(settings.service_key):
        yield "SERVICE_KEY: is missing; operators and the web app need it"
    else:
        yield from _weak("SERVICE_KEY", settings.service_key)
    if not _text(settings.jwt_secret) and settings.jwks_url is None:
        yield "JWT_SECRET: is missing, and so is JWKS_URL; users' tokens are checked with one of them"
    elif _text(settings.jwt_secret):
        yield from _weak("JWT_SECRET", settings.jwt_secret, SHORTEST_HS256)
    if _text(settings.service_key) and compare_digest(_text(settings.service_key).encode(), _text(settings.jwt_secret).encode()):
        yield "SERVICE_KEY: is the same as JWT_SECRET; who may check tokens could then do everything"


def _of_servers(settings: Settings) -> Iterator[str]:
    if "database_url" not in settings.model_fields_set:
        yield "DATABASE_URL: is missing; its default is for one machine"
    for name, url in (("DATABASE_URL", settings.database_url), ("DATABASE_DIRECT_URL", settings.database_direct_url), ("REDIS_URL", settings.redis_url)):
        if url and (urlsplit(url).password or "").lower() in PASSWORDS:
            yield f"{name}: its password is one that everybody knows"


def _of_webhooks(settings: Settings) -> Iterator[str]:
    yield from _weak("PRIVATE_BUILDOS_WEBHOOK_SECRET", settings.private_buildos_webhook_secret)
    if settings.private_twilio_account_sid and not _text(settings.private_twilio_auth_token):
        yield "PRIVATE_TWILIO_AUTH_TOKEN: is missing; it signs what Twilio tells us"


def _weak(name: str, secret: SecretStr | None, shortest: int = SHORTEST) -> Iterator[str]:
    text = _text(secret)
    if not text:
        return
    if len(text.encode()) < shortest:
        yield f"{name}: is too short; {shortest} characters at least, as `openssl rand -base64 48` makes them"
    elif any(known in text.lower() for known in KNOWN) or len(set(text)) < 8:
        yield f"{name}: is one that everybody knows, or can guess"


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value().strip() if secret else ""
