"""Settings of who may call, and how often (CONTRACT 10)."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from app.settings_checks import is_loopback
from app.settings_files import SettingsFromFiles


class SecuritySettings(SettingsFromFiles):
    """A part of `Settings`."""

    jwks_url: str | None = Field(
        None, description="Where the identity provider publishes the keys of its RS256 and ES256 tokens; beside JWT_SECRET or without."
    )
    jwt_issuer: str | None = Field(None, description="Issuer a user token must name; none: any.")

    @field_validator("jwks_url")
    @classmethod
    def _keys(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("expects an address such as https://project.supabase.co/auth/v1/.well-known/jwks.json")
        if value and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("expects https: whoever answers decides who is who")
        return value or None
