"""From what a caller sends to who it is: the service key or a user's token (CONTRACT 10)."""

from __future__ import annotations

import hmac
from typing import Any

import jwt
from jwt import PyJWK
from pydantic import SecretStr

from app.identity.caller import ANONYMOUS_CALLER, OPEN_CALLER, SERVICE_CALLER, Caller, CallerKind
from app.identity.keys import ALGORITHMS, keys_at
from app.identity.users import parse_user_id
from app.settings import Settings

LEEWAY = 30  # seconds a token's clock may differ from ours
USERS_ROLE = "authenticated"  # of Supabase's keys for programs, which are tokens as well, none is a user's


class NotAuthenticated(Exception):
    """A token was sent and is not good. The message is for the caller and holds nothing of the token."""


def identify(settings: Settings, token: str | None) -> Caller:
    """The caller behind `token`; without one a stranger. In AUTH_MODE=open everybody is `OPEN_CALLER`.

    Raises NotAuthenticated when the token is neither the service key nor a valid token of a user, and KeysAway when that cannot
    be said now.
    """
    if settings.auth_mode == "open":
        return OPEN_CALLER
    if not token:
        return ANONYMOUS_CALLER
    if _is_secret(token, settings.service_key):
        return SERVICE_CALLER
    claims = _claims(settings, token)
    user_id = parse_user_id(str(claims["sub"]))
    if user_id is None or claims.get("role", USERS_ROLE) != USERS_ROLE:
        raise NotAuthenticated("The token names no user")
    return Caller(CallerKind.USER, user_id, int(claims["exp"]) + LEEWAY)


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer …` header. Raises NotAuthenticated for another scheme."""
    if not authorization:
        return None
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("Authorization must be: Bearer <token>")
    return token.strip()


def _is_secret(given: str, secret: SecretStr | None) -> bool:
    if secret is None or not secret.get_secret_value():
        return False
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.get_secret_value().encode())


def _claims(settings: Settings, token: str) -> dict[str, Any]:
    try:
        key, algorithm = _key_of(settings, jwt.get_unverified_header(token))
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],  # the key's own, never what the token would like
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "sub", *(["iss"] if settings.jwt_issuer else [])]},
        )
    except jwt.ExpiredSignatureError:
        raise NotAuthenticated("The token has expired") from None
    except jwt.PyJWTError:
        raise NotAuthenticated("The token is not valid") from None


def _key_of(settings: Settings, header: dict[str, Any]) -> tuple[str | PyJWK, str]:
    """What a token is checked with: our secret where it says HS256, else a public key of the identity provider."""
    if header.get("alg") == "HS256" and settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value(), "HS256"
    if settings.jwks_url is not None and header.get("alg") in ALGORITHMS:
        key = keys_at(settings.jwks_url).find(header.get("kid"))
        if key is not None:
            return key, key.algorithm_name
    raise jwt.InvalidKeyError("No such key")
