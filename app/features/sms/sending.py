"""`send_sms`: one copy of one message, recorded before and after (CONTRACT 8.3, 13: nothing goes out twice).

    sms_messages.status   pending ──► sending ──► sent ──► delivered | undelivered | failed      the message
                             ▲           │  └───► failed (refused)
                             └───────────┘ surely not gone, or not delivered: another copy is to come
                          skipped, cancelled: it may not go, and why

    sms_delivery          handing_over ──► sent | failed | unknown                                one copy each

A run asks whether the message may go, and writes `handing_over`, in one transaction that holds only while the job is its own
and that holds the user's preferences: so the daily limit is counted with nobody else sending. Then it calls the provider. `sent`
is a fact about the outside, and is written whoever owns the job by then. A later run that finds `sent` sends nothing. One that
finds a copy without an end asks the provider whether it went; only when it has none, the message goes again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine

from app.db.insist import insist
from app.features.sms import repository, rules, text
from app.features.sms.holding import while_holding
from app.features.sms.models import Copy, Message, Wishes
from app.ports.clock import Clock
from app.ports.sms import Sms, SmsDeferred, SmsError, SmsMessage, SmsReceipt, SmsRefused, SmsUnknown, SmsUnsubscribed
from app.queue.adding import add_job
from app.queue.errors import PermanentError, TransientError
from app.queue.models import SmsMetadata, SmsResult
from app.queue.running import RunningJob

log = logging.getLogger(__name__)

# Another job's run that was cancelled in mid-sending may need this long to end.
UNDER_WAY = timedelta(seconds=60)
# A reminder that is due later than this is put off; less is the difference of two clocks.
EARLY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class _Go:
    """The copy is written down and must be handed over."""

    message: SmsMessage


@dataclass(frozen=True, slots=True)
class _Ask:
    """An earlier copy may have gone."""

    copy: Copy
    message: SmsMessage


@dataclass(frozen=True, slots=True)
class _Stop:
    """The message must not go; its row says why already."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Words:
    """What goes, and where to."""

    phone_number: str
    text: str


class Sender:
    """Sends messages through an `Sms`. Holds no state of its own."""

    def __init__(self, engine: Engine, clock: Clock, sms: Sms, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._engine = engine
        self._clock = clock
        self._sms = sms
        self._sleep = sleep

    def send(self, job: RunningJob) -> SmsResult:
        """Send the message of a job, unless it has gone already. Raises PermanentError, TransientError, LeaseLost."""
        step = while_holding(job, lambda conn, wishes: self._begin(conn, wishes, job, asked=False), self._sleep)
        if isinstance(step, _Ask):
            if (found := self._find(step)) is not None:
                log.info("sms.had_gone delivery_id=%s", step.copy.id)
                return self._record_sent(step.copy.id, found)
            step = while_holding(job, lambda conn, wishes: self._begin(conn, wishes, job, asked=True), self._sleep)
        if isinstance(step, _Stop):
            raise PermanentError(step.reason)
        if isinstance(step, SmsResult):
            return step
        assert isinstance(step, _Go)
        return self._hand_over(step.message)

    def _begin(
        self, conn: Connection, wishes: Wishes | None, job: RunningJob, asked: bool
    ) -> _Go | _Ask | _Stop | SmsResult:
        """Decide, and write down what was decided."""
        now = self._clock.now()
        message = self._message(conn, job)
        last = repository.last_copy(conn, message.id)
        if message.status in ("sent", "delivered") and message.twilio_status not in ("failed", "undelivered"):
            return SmsResult(messageSid=message.twilio_sid, deliveryId=str(last.id) if last else None)
        if last is not None and last.status in ("handing_over", "unknown") and not asked:
            if last.status == "handing_over" and last.queue_job_id != job.id and now - last.handed_over_at < UNDER_WAY:
                raise TransientError("another job was sending this message a moment ago")
            return _Ask(last, SmsMessage(last.id, message.phone_number, message.text))
        try:
            self._sms.check()
        except SmsRefused as refused:
            return _stop(conn, message, "failed", str(refused))
        words = self._words(conn, wishes, job, message, now)
        if not isinstance(words, _Words):
            return words
        urgent = job.metadata.urgent or message.urgent
        reason = rules.refusal(wishes, words.phone_number, urgent=urgent, reminder=message.is_reminder, now=now)
        if reason is None and wishes is not None:
            begins, ends = rules.day_span(now.astimezone(wishes.zone).date(), wishes.zone)
            sent = repository.sent_since(conn, message.user_id, begins, ends, message.id)
            reason = rules.over_limit(wishes.daily_sms_limit, sent)
        if reason is not None:
            return _stop(conn, message, "skipped", reason)
        copy = repository.begin_copy(
            conn, message, job.id, job.attempt, self._sms.name, words.phone_number, words.text, now
        )
        return _Go(SmsMessage(copy, words.phone_number, words.text))

    def _message(self, conn: Connection, job: RunningJob) -> Message:
        """The row of the job's message, locked; made where the job brings the message along."""
        metadata: SmsMetadata = job.metadata
        assert job.user_id is not None
        message_id = metadata.message_id or repository.message_of_job(
            conn, job.user_id, job.id, _uuid(metadata.retriedFrom)
        )
        if message_id is None:
            assert metadata.phone_number is not None and metadata.message is not None
            message_id = repository.add_message(
                conn,
                job.user_id,
                job.id,
                metadata.phone_number,
                metadata.message,
                event_id=_uuid(metadata.eventId),
                urgent=metadata.urgent,
            )
        message = repository.lock_message(conn, message_id, job.user_id)
        if message is None:
            raise PermanentError("metadata.message_id: there is no such message")
        return message

    def _words(
        self, conn: Connection, wishes: Wishes | None, job: RunningJob, message: Message, now: datetime
    ) -> _Words | _Stop | SmsResult:
        """What the message says now. A reminder follows its event to the last moment: it may be off, or still too early."""
        if not message.is_reminder or wishes is None:
            return _Words(message.phone_number, message.text)
        assert message.event_id is not None and message.lead_minutes is not None
        event = repository.find_event(conn, message.user_id, message.event_id)
        if event is None or event.status == "cancelled" or event.all_day:
            return _stop(conn, message, "cancelled", "the event was cancelled" if event else "the event was deleted")
        if event.start != message.event_starts_at and not repository.move_reminder(conn, message, event.start):
            return _stop(conn, message, "cancelled", "there is a reminder for that time")
        quiet = wishes.quiet_hours_start, wishes.quiet_hours_end
        at = rules.reminder_at(event.start, timedelta(minutes=message.lead_minutes), *quiet, wishes.zone, now)
        if at is None:
            return _stop(conn, message, "skipped", rules.BEGUN if event.start < now else rules.QUIET)
        if at - now > EARLY:
            return self._postpone(conn, job, message, at)
        return _Words(
            wishes.phone_number or message.phone_number,
            text.reminder(event.title, event.location, event.start, now, wishes.zone),
        )

    def _postpone(self, conn: Connection, job: RunningJob, message: Message, at: datetime) -> SmsResult:
        """Leave a reminder to a job of its own at its new time: this one has been claimed."""
        metadata = job.metadata.model_dump(
            mode="json", exclude_none=True, exclude={"generation_progress", "retriedFrom"}
        )
        added = add_job(
            conn,
            "send_sms",
            user_id=message.user_id,
            metadata={**metadata, "message_id": str(message.id)},
            priority=rules.ORDINARY,
            scheduled_for=at,
            dedup_key=f"sms-{message.id}-{job.id}",
        )
        repository.set_status(conn, message.id, "pending", None, scheduled_for=at, job_id=added.id)
        return SmsResult(messageSid=None, deliveryId=None, postponedTo=added.queue_job_id)

    def _find(self, step: _Ask) -> SmsReceipt | None:
        try:
            return self._sms.find(step.message, step.copy.handed_over_at)
        except SmsError as error:
            raise TransientError(f"it is not known whether the message has gone: {error}") from None

    def _hand_over(self, message: SmsMessage) -> SmsResult:
        try:
            receipt = self._sms.send(message)
        except SmsError as error:
            self._record_failure(message, error)
            raise rules.job_error(error) from None
        return self._record_sent(message.delivery_id, receipt)

    def _record_sent(self, copy_id: UUID, receipt: SmsReceipt) -> SmsResult:
        now = self._clock.now()
        insist(self._engine, lambda conn: repository.mark_taken(conn, copy_id, receipt.sid, now), self._sleep)
        return SmsResult(messageSid=receipt.sid, deliveryId=str(copy_id))

    def _record_failure(self, message: SmsMessage, error: SmsError) -> None:
        outcome = "unknown" if isinstance(error, SmsUnknown) else "failed"
        status = (
            "failed" if isinstance(error, SmsRefused) else "pending" if isinstance(error, SmsDeferred) else "sending"
        )

        def write(conn: Connection) -> None:
            if isinstance(error, SmsUnsubscribed):
                repository.set_opted_out(conn, message.to, True, self._clock.now())
            repository.mark_not_taken(conn, message.delivery_id, outcome, status, str(error), error.code)

        insist(self._engine, write, self._sleep)


def _stop(conn: Connection, message: Message, status: str, reason: str) -> _Stop:
    repository.set_status(conn, message.id, status, reason)
    return _Stop(reason)


def _uuid(given: str | None) -> UUID | None:
    try:
        return UUID(given) if given else None
    except ValueError:
        return None
