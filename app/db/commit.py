"""A commit is never a riddle: when its answer is lost, the database is asked how it ended, or what may be repeated is repeated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

PATIENCE = 5.0  # seconds to find out
T = TypeVar("T")

NOT_YET_GIVEN = "22023"  # what Postgres says of a number beyond those it gave: the crash took the transaction along

WHO = text(
    "select n::text, (select max(at) from job_events where xid = n) from (select pg_current_xact_id_if_assigned() as n) as mine"
)
HOW = text(
    "select pg_xact_status(cast(:number as xid8)), "
    "exists (select from job_events where xid = cast(:number as xid8) and at = cast(:noted_at as timestamptz))"
)


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
        number, noted_at = conn.execute(WHO).one()
        try:
            ongoing.commit()
        except DBAPIError as error:
            if number is None or not error.connection_invalidated:
                raise  # nothing was written, or the database itself said no
            lost = error
        else:
            return
    if not _committed(engine, number, noted_at, patience):
        raise lost


def repeated(engine: Engine, statement: Callable[[Connection], T], patience: float = PATIENCE) -> T:
    """Run one statement as a transaction of its own, and again when its answer was lost: only for one that finds what it made
    the first time. One round trip, where `transaction` takes four. A user's statement has to bring his rights along:
    `app/db/acting.py ACT_FIRST`.

    Raises sqlalchemy's error when it surely was not done, OutcomeUnknown when the database stays away for `patience` seconds.
    """
    begun = engine.execution_options(isolation_level="AUTOCOMMIT")
    end: float | None = None  # of the patience, once an answer was lost
    while True:
        try:
            with begun.connect() as conn:
                return statement(conn)
        except SQLAlchemyError as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                end = end or time.monotonic() + patience
            elif end is None:
                raise
            if time.monotonic() >= end:
                raise OutcomeUnknown("the database went away while it was told") from error
        time.sleep(0.1)


def _committed(engine: Engine, number: str, noted_at: datetime | None, patience: float) -> bool:
    """How the transaction `number` ended. Raises OutcomeUnknown.

    A server that crashed may give the number again to another transaction, as what it lost was never written: where jobs were
    changed, their history tells the two apart.
    """
    end = time.monotonic() + patience
    while True:
        try:
            with engine.connect() as conn:
                status, noted = conn.execute(HOW, {"number": number, "noted_at": noted_at}).one()
            if status in ("committed", "aborted"):
                return status == "committed" and (noted or noted_at is None)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == NOT_YET_GIVEN:
                return False
        except SQLAlchemyError:
            pass  # away; asked again until the patience is over
        if time.monotonic() >= end:
            raise OutcomeUnknown("the database went away at the moment of the commit")
        time.sleep(0.1)
