"""The two jobs of text messages, and what is noted when one fails (CONTRACT 4, 8.3)."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from app.features.sms import repository
from app.features.sms.planning import ExpandCalendar, Planner
from app.features.sms.sending import Sender
from app.ports.clock import Clock
from app.ports.sms import Sms
from app.queue.models import DailySmsResult, SmsResult
from app.queue.running import RunningJob


class SmsService:
    """Sends what jobs ask for, through `sms`; plans reminders of events."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        sms: Sms,
        expand_calendar: ExpandCalendar,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sender = Sender(engine, clock, sms, sleep=sleep)
        self._planner = Planner(clock, expand_calendar, sleep=sleep)

    def send(self, job: RunningJob) -> SmsResult:
        """Send the message of a `send_sms` job, as `Sender.send`."""
        return self._sender.send(job)

    def plan_day(self, job: RunningJob) -> DailySmsResult:
        """Plan the day of a `schedule_daily_sms` job, as `Planner.plan`."""
        return self._planner.plan(job)

    def failed(self, conn: Connection, *, job_id: UUID, user_id: UUID | None, error: str, final: bool) -> None:
        """Note, in the transaction that ends a job for good, that its message will not be sent."""
        if final and user_id is not None:
            repository.mark_given_up(conn, user_id, job_id, error)


def refresh_metrics(conn: Connection) -> None:
    """Count `sms_metrics` anew. Whoever reads it meanwhile sees the counts before."""
    conn.execute(text("select refresh_sms_metrics()"))
