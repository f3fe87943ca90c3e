"""What this process counts for everybody: gathered for a moment, then added to the counts in the database."""

from __future__ import annotations

import logging
import threading
from typing import NamedTuple

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from app.db.acting import acting_as

log = logging.getLogger(__name__)

GATHER = 2.0  # seconds between something seen and its being written; a process that is killed takes as much along
MOST = 10_000  # things seen that are kept while the database is away

_RECORD = text(
    "select record_metrics(cast(:metrics as text[]), cast(:subjects as text[]), cast(:outcomes as text[]), "
    "cast(:seconds as double precision[]))"
)


class Seen(NamedTuple):
    """One thing that happened: `metric` and `subject` as in the table metric_counts, and the seconds it took."""

    metric: str
    subject: str
    outcome: str
    seconds: float


class Meter:
    """Counts for the whole system, whichever process asks later. Free while nothing is seen. Safe between threads."""

    def __init__(self, engine: Engine, gather: float = GATHER):
        self._engine = engine
        self._gather = gather
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._timer: threading.Timer | None = None

    def see(self, metric: str, subject: str, outcome: str = "", seconds: float = 0.0) -> None:
        """Note it; it is written within `GATHER` seconds."""
        with self._lock:
            if len(self._seen) < MOST:
                self._seen.append(Seen(metric, subject, outcome, seconds))
            if self._timer is None:
                self._timer = threading.Timer(self._gather, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write what was seen, now. While the database is away it is kept and tried again with the next thing seen."""
        with self._lock:
            seen, self._seen, self._timer = self._seen, [], None
        if not seen:
            return
        metrics, subjects, outcomes, seconds = (list(column) for column in zip(*seen, strict=True))
        try:
            # Whoever's request saw it first: counting is the program's.
            with acting_as(None), self._engine.begin() as conn:
                conn.execute(_RECORD, {"metrics": metrics, "subjects": subjects, "outcomes": outcomes, "seconds": seconds})
        except SQLAlchemyError as error:
            log.warning("%d measures wait for the database: %s", len(seen), type(error).__name__)
            with self._lock:
                self._seen = (seen + self._seen)[:MOST]
