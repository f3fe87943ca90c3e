"""Users for tests."""

from __future__ import annotations

from uuid import UUID, uuid4

from sqlalchemy import Engine, text


def add_user(engine: Engine, *, timezone: str = "UTC", email: str | None = None) -> UUID:
    """A new user; the id."""
    with engine.begin() as conn:
        return conn.execute(
            text("insert into users (email, timezone) values (:email, :timezone) returning id"),
            {"email": email or f"{uuid4().hex}@example.org", "timezone": timezone},
        ).scalar_one()
