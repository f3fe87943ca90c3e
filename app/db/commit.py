"""A transaction whose commit is never a riddle: when its answer is lost, the database is asked how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

PATIENCE = 5.0  # seconds to find out

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
