"""Settings of who may call, and how often (CONTRACT 10)."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from app.settings_checks import is_loopback
from app.settings_files import SettingsFromFiles


def _rate(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,8}/(second|minute|hour|day)", value):
        raise ValueError("expects a number and a span, as 1200/minute")
    return value


Rate = Annotated[str, AfterValidator(_rate)]


class SecuritySettings(SettingsFromFiles):
    """A part of `Settings`."""

    jwks_url: str | None = Field(
        None, description="Where the identity provider publishes the keys of its RS256 and ES256 tokens; beside JWT_SECRET or without."
    )
    jwt_issuer: str | None = Field(None, description="Issuer a user token must name; none: any.")

    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = Field(
        0, description="Proxies in front of the API, one behind the other, whose X-Forwarded-For and -Proto are believed."
    )

    rate_limits: bool = Field(False, description="Refuse with 429 whoever calls too often. Counted in Redis; without it everybody passes.")
    rate_limit_user: Rate = Field("1200/minute", description="Requests of one user.")
    rate_limit_service: Rate = Field("60000/minute", description="Requests with the service key.")
    rate_limit_stranger: Rate = Field("300/minute", description="Requests without a good key or token, from one address.")
    rate_limit_public: Rate = Field(
        "6000/minute", description="Requests of pages, pixels, links, webhooks and /health, from one address: mail and Twilio come from few."
    )
    rate_limit_items: Rate = Field("60000/minute", description="Jobs that one caller adds by POST /queue/bulk.")

    audit_kept_days: Annotated[float, Field(ge=30, le=100_000)] = Field(
        400.0, description="Days until what was done with the service key is removed from audit_log; 30 at least."
    )

    @field_validator("jwks_url")
    @classmethod
    def _keys(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("expects an address such as https://project.supabase.co/auth/v1/.well-known/jwks.json")
        if value and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("expects https: whoever answers decides who is who")
        return value or None
