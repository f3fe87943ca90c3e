"""Reading through a pool whose connections may have died since they were last used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

R = TypeVar("R")


def look(engine: Engine, read: Callable[[Connection], R], **options: Any) -> R:
    """What `read` returns, with a connection that has these execution options. It must not write: it may read twice."""

    def once() -> R:
        with engine.connect().execution_options(**options) as conn:
            return read(conn)

    return again_if_dead(once)


def again_if_dead(ask: Callable[[], R]) -> R:
    """What `ask` returns. Where its connection turns out to be dead it asks again, on a fresh one. Raises what the database raises then."""
    try:
        return ask()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    return ask()
