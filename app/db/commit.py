"""A transaction whose commit is never a riddle: when its answer is lost, the database is asked how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

PATIENCE = 5.0  # seconds to find out


class OutcomeUnknown(Exception):
    """The answer of a commit was lost, and the database stayed away: it is done, or it is not."""


@contextmanager
def transaction(engine: Engine, patience: float = PATIENCE) -> Iterator[Connection]:
    """`engine.begin()` for those who must tell somebody how it ended.

    Leaves without an error only when the transaction is committed, with sqlalchemy's error when it surely is not, and with
    OutcomeUnknown when the database cannot be asked for `patience` seconds.
    """
    with engine.connect() as conn, conn.begin() as ongoing:
        yield conn
        number = conn.execute(text("select pg_current_xact_id_if_assigned()::text")).scalar_one()
        try:
            ongoing.commit()
        except DBAPIError as error:
            if number is None or not error.connection_invalidated:
                raise  # nothing was written, or the database itself said no
            lost = error
        else:
            return
    if not _committed(engine, number, patience):
        raise lost


def _committed(engine: Engine, number: str, patience: float) -> bool:
    """How the transaction `number` ended. Raises OutcomeUnknown."""
    end = time.monotonic() + patience
    while True:
        try:
            with engine.connect() as conn:
                status = conn.execute(text("select pg_xact_status(cast(:number as xid8))"), {"number": number}).scalar_one()
            if status in ("committed", "aborted"):
                return status == "committed"
        except SQLAlchemyError:
            pass  # away; asked again until the patience is over
        if time.monotonic() >= end:
            raise OutcomeUnknown("the database went away at the moment of the commit")
        time.sleep(0.1)
