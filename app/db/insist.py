"""Writing down what happened outside: that a mail or a message has gone stays true while the database is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError

log = logging.getLogger(__name__)

# Seconds between tries.
PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0)

R = TypeVar("R")


def insist(engine: Engine, write: Callable[[Connection], R], sleep: Callable[[float], None] = time.sleep) -> R:
    """Run `write` in a transaction; while the database is away, again and again for half a minute. Returns what it returns.

    Not under a job's lease: a fact about the outside stays one when the job was cancelled meanwhile. Raises what the database
    raises at last.
    """
    for pause in PAUSES:
        try:
            with engine.begin() as conn:
                return write(conn)
        except (OperationalError, InterfaceError) as error:
            log.warning("an outcome could not be written yet error=%s", type(error.orig).__name__)
            sleep(pause)
    with engine.begin() as conn:
        return write(conn)
