"""The user behind an id or an address: the few columns that callers and schedules need."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class User:
    """A row of `users`, as far as the API needs it. `timezone` is the user's own, not checked."""

    id: UUID
    email: str
    name: str | None
    timezone: str


def parse_user_id(value: str) -> UUID | None:
    """The uuid a text spells in its canonical form, else None: a malformed id is simply nobody's."""
    return UUID(value) if CANONICAL_UUID.fullmatch(value) else None


def find_user(conn: Connection, user_id: str | UUID) -> User | None:
    """The user with that id; None for an unknown or a malformed one."""
    known = user_id if isinstance(user_id, UUID) else parse_user_id(user_id)
    if known is None:
        return None
    return _one(conn, _BY_ID, known)


def find_user_by_email(conn: Connection, email: str) -> User | None:
    """The user with that address, in whatever case it is written."""
    if "\x00" in email:
        return None
    return _one(conn, _BY_EMAIL, email.strip())


def list_users(conn: Connection, part: str | None, *, limit: int) -> list[User]:
    """Users whose name or address has `part` in it, or whose id it is, by address; all of them where nothing is given."""
    rows = conn.execute(_LIST, {"part": part or None, "id": parse_user_id(part or ""), "limit": limit})
    return [User(**row._mapping) for row in rows]


_COLUMNS = "id, email, name, timezone"
_BY_ID = text(f"select {_COLUMNS} from users where id = :value")
_LIST = text(
    f"""
    select {_COLUMNS} from users
    where cast(:part as text) is null or id = :id or strpos(lower(concat_ws(' ', name, email)), lower(:part)) > 0
    order by email limit :limit
    """
)
_BY_EMAIL = text(f"select {_COLUMNS} from users where lower(email) = lower(:value)")


def _one(conn: Connection, query: TextClause, value: object) -> User | None:
    row = conn.execute(query, {"value": value}).first()
    return User(**row._mapping) if row else None
