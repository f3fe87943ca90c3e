"""A job's transaction with the user's preferences held: one at a time plans, moves or sends the messages of a user."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app.features.sms.models import Wishes
from app.features.sms.repository import hold_wishes
from app.queue.errors import TransientError
from app.queue.running import RunningJob

_LOCK_NOT_AVAILABLE = "55P03"
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds

R = TypeVar("R")


def while_holding(
    job: RunningJob, work: Callable[[Connection, Wishes | None], R], sleep: Callable[[float], None] = time.sleep
) -> R:
    """Run `work` in a transaction of the job that holds the user's preferences, and return what it returns.

    A run holds its job and asks for the preferences; who changes preferences holds those and may ask for the job. So this one
    never waits for long: it lets go of everything and tries again. Raises TransientError in the end, and LeaseLost.
    """
    assert job.user_id is not None
    for pause in PAUSES:
        try:
            with job.transaction() as conn:
                return work(conn, hold_wishes(conn, job.user_id))
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
        sleep(pause)
    raise TransientError("the user's SMS preferences are being changed")
