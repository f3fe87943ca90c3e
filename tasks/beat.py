"""Beat's clock: keeps no file, shows that it lives, and survives a database or a broker that is away."""

from __future__ import annotations

import logging
import time
import uuid
from typing import Any

from celery.beat import Scheduler
from sqlalchemy.exc import SQLAlchemyError

from app.queue import processes
from app.queue.errors import describe
from app.settings import get_settings
from tasks.dispatcher.watch import Watch
from tasks.services import services
from tasks.watching import configure_watching

log = logging.getLogger(__name__)


class TickScheduler(Scheduler):
    """Celery's scheduler without its file: a tick that was missed is caught up by the next one, so there is nothing to remember."""

    max_interval = 5  # seconds between two looks at the clock, so that the sign of life is never old

    def __init__(self, *args: Any, **kwargs: Any):
        self._name = f"beat/{uuid.uuid4().hex[:6]}"
        self._next_report = 0.0
        configure_watching("beat")
        self._watch: Watch | None = None
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        self.install_default_entries(self.schedule)
        self.merge_inplace(self.app.conf.beat_schedule)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if time.monotonic() >= self._next_report:
            self._next_report = time.monotonic() + get_settings().queue_heartbeat_interval / 1000
            try:
                with services().engine.begin() as conn:
                    processes.report(conn, self._name, "beat")
                self._watch = self._watch or Watch(services().engine, get_settings())
                self._watch.look()  # a worker would do it, but one that is missing cannot
            except SQLAlchemyError as error:
                log.warning("beat: the database is away: %s", describe(error))
        return super().tick(*args, **kwargs)

    def close(self) -> None:
        try:
            with services().engine.begin() as conn:
                processes.leave(conn, self._name)
        except SQLAlchemyError as error:
            log.warning("beat leaves without a word: %s", describe(error))
        super().close()
