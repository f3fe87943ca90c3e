"""A user's request runs in the database as that user: row-level security holds even where a query forgets its filter (CONTRACT 10).

Every transaction that begins inside `acting_as(user_id)` begins with the role and the claims of the user. Both go out together with
its BEGIN, in one message, so a transaction costs no round trip more than any other; both end with it (`set local`), so they pass
through a pooler in transaction mode. docs/decisions/0130-users-in-the-database.md says what is done with other rights, and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

# For a statement that is a transaction of its own: before `:user_id` in a coalesce, as an argument of the function that it calls. Arguments
# are reckoned before the function begins, so all that it does has the user's rights. Always null: it stands in for nothing.
ACT_FIRST = (
    "cast(nullif(set_config('request.jwt.claims', :acting_claims, true), :acting_claims) as uuid), "
    "cast(nullif(set_config('role', :acting_role, true), :acting_role) as uuid)"
)

READER = "authenticated"  # looks at the user's own rows
WRITER = "authenticated_writer"  # changes them too, where requests do

_ACT = "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)"
_BECOME = text("select set_config('role', :role, true)")

_user: ContextVar[UUID | None] = ContextVar("acting_as", default=None)


@contextmanager
def acting_as(user_id: UUID | None) -> Iterator[None]:
    """Transactions that begin in here, on an engine that `let_act` knows, are this user's; None: the program's own."""
    before = _user.set(user_id)
    try:
        yield
    finally:
        _user.reset(before)


def is_acting() -> bool:
    """Whether a transaction that begins now would be a user's."""
    return _user.get() is not None


def own_values() -> dict[str, str] | None:
    """What ACT_FIRST needs for whoever `acting_as` names; None for the program itself."""
    user = _user.get()
    return None if user is None else {"acting_claims": _claims(user), "acting_role": WRITER}


def let_act(engine: Engine) -> None:
    """From now on transactions of this engine, and of those derived from it, act for whoever `acting_as` names."""
    event.listen(engine, "begin", _begin)


@contextmanager
def owner_rights(conn: Connection) -> Iterator[None]:
    """In here a user's open transaction has the rights of the program: for what no user may read or write, whoever's it is."""
    if not is_acting():
        yield
        return
    conn.execute(_BECOME, {"role": "none"})
    try:
        yield
    finally:
        # After an error of the database nothing but the rollback follows, and that ends the role as well.
        if conn.connection.driver_connection.info.transaction_status == TransactionStatus.INTRANS:
            conn.execute(_BECOME, {"role": WRITER})


def _claims(user: UUID) -> str:
    return json.dumps({"sub": str(user), "role": READER})


def _begin(conn: Connection) -> None:
    user = _user.get()
    if user is None:
        return
    driver = conn.connection.driver_connection
    if driver.autocommit:
        raise RuntimeError("a user's statement needs a transaction: without one its role would end before it")
    role = READER if conn.get_execution_options().get("reading") else WRITER
    try:
        with driver.pipeline():
            driver.execute(_ACT, (role, _claims(user)))
    except psycopg.Error as error:
        lost = conn.dialect.is_disconnect(error, driver, None)
        if lost:
            conn.invalidate(error)
            conn.engine.dispose()  # the others in the pool are as old
        raise DBAPIError.instance(_ACT, None, error, psycopg.Error, connection_invalidated=lost, dialect=conn.dialect) from error
