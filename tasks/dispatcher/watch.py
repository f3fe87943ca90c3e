"""Alerts as log events: whoever notices first says it, once per cool-down, however many workers look."""

from __future__ import annotations

import logging
import time

from sqlalchemy import Engine

from app import reporting
from app.db.broker import Broker
from app.queue.alerts import current_alerts, first_in_cool_down
from app.settings import Settings

log = logging.getLogger("buildos.alerts")

LOOK_EVERY = 30.0  # seconds
TIMEOUT = 2  # seconds until a broker that does not answer counts as away
GRACE = 60.0  # seconds after the start in which the other processes may still be starting


class Watch:
    """Looks for alerts every now and then. `look` raises sqlalchemy's errors when the database is away."""

    def __init__(self, engine: Engine, settings: Settings, *, every: float = LOOK_EVERY, grace: float = GRACE):
        self._engine = engine
        self._settings = settings
        self._broker = Broker(settings.broker, TIMEOUT)
        self._every = every
        self._next_look = time.monotonic() + grace

    def look(self) -> list[str]:
        """Log the alerts that nobody logged within the cool-down. Returns their names; nothing before it is time again."""
        if time.monotonic() < self._next_look:
            return []
        self._next_look = time.monotonic() + self._every
        there = self._broker.answers()
        with self._engine.begin() as conn:
            alerts = current_alerts(conn, self._settings, broker_there=there)
            fresh = [alert for alert in alerts if first_in_cool_down(conn, alert, self._settings.alert_cool_down)]
        for alert in fresh:
            log.error("alert %s: %s", alert.name, alert.message)
            reporting.tell(f"alert {alert.name}: {alert.message}")
        return [alert.name for alert in fresh]
