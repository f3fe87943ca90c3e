"""Looks for users whose due jobs crowd out the others' and lets them wait aside, beside the dispatching and never in its way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.queue import turns
from app.queue.errors import describe
from tasks.runway import RUNWAY

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between looks while jobs wait for a slot, of all workers together
IDLE = 5  # so many times longer while this worker has nothing on its way
GOES_ON = 0.05  # seconds, while there is more to move
DEEP_REACH, DEEP = 10_000, 10  # each tenth look goes deep, for who waits far behind a crowd


class CrowdLoop(threading.Thread):
    """One a worker, where `crowd` (due jobs of one type and user) is not 0."""

    def __init__(self, engine: Engine, job_types: Sequence[str], crowd: int):
        super().__init__(name="crowds", daemon=True)
        self._engine = engine
        self._job_types = job_types
        self._crowd = crowd
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def run(self) -> None:
        wait, quiet, looks = EVERY, 0, 0
        while not self._stopped.wait(wait):
            wait, quiet = EVERY, quiet + 1
            if quiet < IDLE and not RUNWAY.sent_any():
                continue
            quiet, looks = 0, looks + 1
            try:
                with self._engine.begin() as conn:
                    reach = DEEP_REACH if looks % DEEP == 0 else turns.REACH
                    if turns.part_crowds(conn, self._job_types, self._crowd, reach=reach, pause=EVERY / 2):
                        wait, quiet = GOES_ON, IDLE
            except SQLAlchemyError as error:
                log.warning("crowds were not looked for: %s", describe(error))
            except Exception:  # a worker whose dispatching nobody orders still dispatches
                log.exception("crowds: unforeseen, it goes on")
