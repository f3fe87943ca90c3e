"""Open mode trusts every caller, so it stays on this machine unless somebody says otherwise (CONTRACT 10)."""

from __future__ import annotations

import ipaddress

from app.identity.secrets import check_secrets
from app.settings import Settings, SettingsError


def is_loopback(host: str) -> bool:
    """Whether an address to bind to can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_bind(settings: Settings) -> None:
    """Raises SettingsError when AUTH_MODE=open would be reachable from elsewhere, jwt mode has no key to check with, or production
    has secrets that are none: each is named."""
    check_secrets(settings, serving=True)
    if settings.auth_mode == "jwt":
        if settings.jwt_secret is None and settings.jwks_url is None and settings.service_key is None:
            raise SettingsError("JWT_SECRET: AUTH_MODE=jwt needs the secret of user tokens, JWKS_URL or SERVICE_KEY, or several")
        return
    if not is_loopback(settings.host) and not settings.allow_open_bind:
        raise SettingsError(
            f"HOST: AUTH_MODE=open lets anyone act for any user, so the API does not bind to {settings.host}; "
            "set AUTH_MODE=jwt, or ALLOW_OPEN_BIND=true if that network is yours"
        )
