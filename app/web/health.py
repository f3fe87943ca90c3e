"""`GET /health`: can work be accepted, and is anybody there to do it (CONTRACT 5)."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from threading import Lock, Thread
from typing import Any

import structlog
from flask import Blueprint, current_app
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from app.db.broker import Broker
from app.db.looking import look
from app.queue.alerts import BROKER_AWAY, Alert, current_alerts
from app.queue.pausing import paused_types
from app.queue.reads import process_status, queue_stats
from app.settings import Settings
from app.web.endpoint import caller, endpoint, services
from app.web.schemas import Checks, HealthReply

log = structlog.get_logger("api")
blueprint = Blueprint("health", __name__)

PING_TIMEOUT = 1.0  # seconds
PING_KEPT = 2.0  # seconds an answer of the broker holds
PATIENCE = 5.0  # seconds the database has to answer
ALERTS_KEPT = 5.0  # seconds alerts are shown before they are looked for again
ALIVE = timedelta(seconds=30)  # since the last heartbeat of a worker or beat
STATES = ("pending", "processing", "completed", "failed", "cancelled", "retrying")


class BrokerPing:
    """Whether the broker answers, asked at most every `PING_KEPT` seconds however often /health is."""

    def __init__(self, url: str):
        self._broker = Broker(url, PING_TIMEOUT)
        self._lock = Lock()
        self._asked = float("-inf")
        self._answered = False

    def is_there(self) -> bool:
        """True when it answered a moment ago. Waits a second at most."""
        with self._lock:
            if time.monotonic() - self._asked > PING_KEPT:
                self._answered = self._broker.answers()
                self._asked = time.monotonic()
            return self._answered


class Question:
    """A question that may never be answered: a database that hangs is away, too. Who asks meanwhile waits for the same answer, so
    however often /health is called, one connection hangs."""

    def __init__(self, patience: float):
        self.patience = patience  # seconds
        self._lock = Lock()
        self._asked: Future[Any] | None = None

    def ask(self, read: Callable[[], Any]) -> Any:
        """What `read` returns or raises. Raises TimeoutError when it takes longer than the patience."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                Thread(target=self._answer, args=(self._asked, read), daemon=True).start()
            asked = self._asked
        return asked.result(self.patience)

    @staticmethod
    def _answer(asked: Future[Any], read: Callable[[], Any]) -> None:
        try:
            asked.set_result(read())
        except Exception as error:  # noqa: BLE001 - for whoever asked, whatever it is
            asked.set_exception(error)


class Pulse:
    """What /health remembers between requests."""

    def __init__(self, broker_url: str):
        self.broker = BrokerPing(broker_url)
        self.database = Question(PATIENCE)
        self.started = time.monotonic()
        self._alerts: list[Alert] = []
        self._looked = float("-inf")

    def alerts(self, conn: Connection, settings: Settings, now: datetime) -> list[Alert]:
        """What an operator must hear of, but for the broker; looked for every `ALERTS_KEPT` seconds."""
        if time.monotonic() - self._looked > ALERTS_KEPT:
            self._alerts = current_alerts(conn, settings, now=now)
            self._looked = time.monotonic()
        return self._alerts


@endpoint(blueprint, "GET", "/health", reply=HealthReply, public=True, errors=(503,))
def get_health() -> tuple[HealthReply, int]:
    """Whether work is accepted and done"""
    pulse: Pulse = current_app.extensions["buildos.pulse"]
    now = services().clock.now()
    counts, processes, alerts, paused, database = _ask_database(pulse, now)
    checks = Checks(
        database=_word(database),
        broker=_word(broker := pulse.broker.is_there()),
        workers=_word(_alive(processes, "worker", now)),
        beat=_word(_alive(processes, "beat", now)),
    )
    shown = counts if caller().is_operator else []  # how much work there is is not for everybody
    alerts = alerts if broker else [BROKER_AWAY, *alerts]
    reply = HealthReply(
        status=_status(checks),
        timestamp=now,
        service="daily-brief-worker",
        queue="celery",
        uptime=round(time.monotonic() - pulse.started, 3),
        lastPoll=max((row["last_poll_at"] for row in processes if row["last_poll_at"]), default=None),
        queues=_queues(shown),
        stats=shown,
        totals={state: sum(row["count"] for row in shown if row["status"] == state) for state in STATES},
        checks=checks,
        alerts=[alert.as_api() for alert in alerts] if caller().is_operator else [],
        paused=paused if caller().is_operator else [],
    )
    return reply, 503 if reply.status == "unhealthy" else 200


def _ask_database(
    pulse: Pulse, now: datetime
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Alert], list[str], bool]:
    engine, settings = services().engine, services().settings

    def read(conn: Connection) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Alert], list[str]]:
        alerts = pulse.alerts(conn, settings, now)
        return queue_stats(conn), process_status(conn), alerts, paused_types(conn)

    try:
        return *pulse.database.ask(lambda: look(engine, read, isolation_level="AUTOCOMMIT")), True
    except (SQLAlchemyError, TimeoutError) as error:
        log.warning("health: database away", error=type(error).__name__)
        return [], [], [], [], False


def _alive(processes: list[dict[str, Any]], kind: str, now: datetime) -> bool:
    return any(row["kind"] == kind and now - row["heartbeat_at"] <= ALIVE for row in processes)


def _word(there: bool) -> str:
    return "ok" if there else "away"


def _status(checks: Checks) -> str:
    """Without the database nothing is accepted; without broker or workers it waits. Beat adds work of its own, it does none."""
    if checks.database == "away":
        return "unhealthy"
    return "healthy" if checks.broker == checks.workers == "ok" else "degraded"


def _queues(counts: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    queues: dict[str, dict[str, int]] = {}
    for row in counts:
        live = queues.setdefault(row["job_type"], {"pending": 0, "processing": 0})
        if row["status"] in live:
            live[row["status"]] = row["count"]
    return queues
