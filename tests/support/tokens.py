"""Tokens of users, as an identity provider signs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

SECRET, KEY = "a secret of thirty-two characters!", "the service key"


def token(user_id: Any, **claims: Any) -> str:
    """An HS256 token that is good for an hour; `claims` are added, or replace what it says."""
    said = {"sub": str(user_id), "aud": "authenticated", "exp": datetime.now(UTC) + timedelta(hours=1), **claims}
    return jwt.encode(said, SECRET, algorithm="HS256")
