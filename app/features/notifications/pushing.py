"""One try to push to one browser, recorded before and after (CONTRACT 8.4, 13: nothing goes out twice).

    notification_pushes     started ──► handing_over ──► sent                 never again
                               ▲                    ├──► unknown              never again: it may have arrived
                               └────────────────────┴──► deferred, refused    surely not gone: a later run tries again
                                                         gone                 the subscription is removed

`handing_over` is written while the job is still ours, at the last moment before the push travels: a run that lost its
job pushes nothing. A run that finds `handing_over` knows that an earlier one ended in the moment between, and leaves it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from app.features.notifications import repository
from app.ports.clock import Clock
from app.ports.push import Push, PushDeferred, PushError, PushGone, PushMessage, PushRefused, Subscription
from app.queue.running import RunningJob

log = logging.getLogger(__name__)

# Seconds between tries to write down what became of a push, while the database is away.
PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)


class _Taken(Exception):
    """At the last look, another run had taken this push."""


class Pusher:
    """Pushes through a `Push`. Holds no state of its own."""

    def __init__(
        self, engine: Engine, clock: Clock, push: Push, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._push = push
        self._sleep = sleep

    def push(self, job: RunningJob, origin_id: UUID, browser: Subscription, message: PushMessage) -> None:
        """Push to one browser, unless it has gone, or may have, in an earlier run. What came of it stands in `notification_pushes`."""
        with job.transaction() as conn:
            if repository.begin_push(conn, job.user_id, origin_id, browser.id) != "started":
                return

        def handing_over() -> None:
            with job.transaction() as conn:
                if not repository.mark_handing_over(conn, origin_id, browser.id):
                    raise _Taken

        try:
            self._push.send(browser, message, handing_over)
        except _Taken:
            return
        except PushError as error:
            log.info("notification.not_pushed subscription_id=%s error=%s", browser.id, error)
            self._record(origin_id, browser.id, _outcome(error), str(error))
        else:
            self._record(origin_id, browser.id, "sent", None)

    def _record(self, origin_id: UUID, subscription_id: UUID, status: str, error: str | None) -> None:
        """Write down what happened outside; while the database is away, again and again for a while.

        Not under the job's lease: that a push has gone stays true when the job was cancelled meanwhile.
        """

        def write(conn: Connection) -> None:
            repository.end_push(conn, origin_id, subscription_id, status, error, self._clock.now())

        for pause in (*PAUSES, None):
            try:
                with self._engine.begin() as conn:
                    return write(conn)
            except (OperationalError, InterfaceError) as away:
                if pause is None:
                    raise
                log.warning("notification.outcome_not_written error=%s", type(away.orig).__name__)
                self._sleep(pause)
        return None


def _outcome(error: PushError) -> str:
    return {PushGone: "gone", PushRefused: "refused", PushDeferred: "deferred"}.get(type(error), "unknown")
