"""The job `send_notification`: one user, one event, one channel, one row of `notification_deliveries` (CONTRACT 8.4, 13).

A delivery stands as `failed` with a reason until it is known to have gone, so whatever ends a run leaves the truth, and
the next run of the job goes on from there: only `sent` and `skipped` are final.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from app.features.notifications import repository, rules
from app.features.notifications.pushing import Pusher
from app.features.notifications.repository import Delivery, Person
from app.formats.zones import iana_name
from app.ports.clock import Clock
from app.ports.push import Push, PushMessage, Subscription
from app.queue.adding import add_job
from app.queue.errors import PermanentError, TransientError
from app.queue.notification_events import CHANNELS, EVENTS, NotificationMetadata, NotificationResult, read_payload
from app.queue.reads import iso
from app.queue.running import RunningJob
from app.queue.telling import announce_on
from app.realtime.events import emit

log = logging.getLogger(__name__)

REASON_LENGTH = 500  # characters kept of why something failed
URGENT, ORDINARY = 5, 10  # priorities of `send_sms`


@dataclass(frozen=True, slots=True)
class _Told:
    """A notification in this run: the delivery, the person, the words."""

    metadata: NotificationMetadata
    delivery: Delivery
    person: Person
    said: rules.Content
    urgent: bool
    correlation_id: str


class NotificationService:
    """Tells users. Holds no state of its own. `web_app` is the address that paths in notifications belong to."""

    def __init__(self, engine: Engine, clock: Clock, push: Push, *, web_app: str | None = None) -> None:
        self._clock = clock
        self._pusher = Pusher(engine, clock, push)
        self._web_app = web_app

    def send(self, job: RunningJob) -> NotificationResult:
        """Tell the job's user what its metadata say, unless they do not want it or have been told.

        Raises PermanentError when no channel can carry it, TransientError when trying again may help, LeaseLost when the job
        is no longer ours, and what the database raises.
        """
        metadata: NotificationMetadata = job.metadata
        with job.transaction() as conn:
            told = self._begin(conn, job, metadata)
            if told.delivery.status != "failed":
                return _result(
                    metadata, told.delivery.id, told.delivery.status, told.delivery.reason, told.delivery.sent_by
                )
            # What has gone to a browser already is no longer a matter of preferences.
            refusal = None if self._has_gone(conn, told) else self._refusal(told)
            if refusal:
                return self._close(conn, told, "skipped", refusal, None)
            if metadata.channel == "in-app":
                self._show(conn, job, told)
                return self._close(conn, told, "sent", None, "in-app")
            if metadata.channel == "email":
                self._queue_email(conn, job, told)
                return self._close(conn, told, "sent", None, "email")
            if metadata.channel == "sms":
                self._queue_sms(conn, job, told)
                return self._close(conn, told, "sent", None, "sms")
            browsers = repository.subscriptions(conn, job.user_id, rules.MOST_SUBSCRIPTIONS)
        return self._push(job, told, browsers)

    def _begin(self, conn: Connection, job: RunningJob, metadata: NotificationMetadata) -> _Told:
        person = repository.find_person(conn, job.user_id) if job.user_id else None
        if person is None:
            raise PermanentError("user_id: there is no such user")
        payload = read_payload(metadata.eventType, metadata.payload)
        correlation_id = metadata.correlationId or str(job.id)
        delivery = repository.open_delivery(
            conn,
            job.user_id,
            job.id,
            _uuid(metadata.retriedFrom),
            channel=metadata.channel,
            event_type=metadata.eventType,
            correlation_id=correlation_id,
        )
        said = rules.content(payload, _zone(person))
        said = rules.Content(said.title, said.body, rules.absolute(said.url, self._web_app) or said.url)
        return _Told(metadata, delivery, person, said, metadata.urgent or payload.urgent, correlation_id)

    def _has_gone(self, conn: Connection, told: _Told) -> bool:
        return told.metadata.channel == "push" and "sent" in repository.push_outcomes(conn, told.delivery.origin_id)

    def _refusal(self, told: _Told) -> str | None:
        return rules.refusal(
            told.metadata.channel,
            told.metadata.eventType,
            told.person.preferences,
            urgent=told.urgent,
            now=self._clock.now(),
            zone=_zone(told.person),
            phone=told.person.phone,
            brief_by_email=told.person.brief_by_email,
        )

    def _close(
        self, conn: Connection, told: _Told, status: str, reason: str | None, sent_by: str | None
    ) -> NotificationResult:
        repository.close_delivery(conn, told.delivery.id, status, reason, sent_by, self._clock.now())
        return _result(told.metadata, told.delivery.id, status, reason, sent_by)

    def _show(self, conn: Connection, job: RunningJob, told: _Told) -> None:
        """Store it where the app shows it, and tell the user's open pages."""
        added = repository.add_notification(
            conn,
            job.user_id,
            told.delivery.origin_id,
            told.metadata.eventType,
            told.said,
            told.metadata.payload,
            told.correlation_id,
        )
        if added is None:
            return
        payload = {
            "id": str(added.id),
            "eventType": told.metadata.eventType,
            "title": told.said.title,
            "body": told.said.body,
            "url": told.said.url,
            "createdAt": iso(added.created_at),
            "correlationId": told.correlation_id,
        }
        emit(conn, job.user_id, "notification", payload, key=f"notification:{added.id}")

    def _queue_email(self, conn: Connection, job: RunningJob, told: _Told) -> None:
        recipient = told.person.email.strip()
        add_job(
            conn,
            "send_notification_email",
            user_id=job.user_id,
            metadata={
                "userId": str(job.user_id),
                "template": told.metadata.eventType,
                "recipientEmail": recipient,
                "title": told.said.title,
                "body": rules.as_markdown(told.said.body),
                "url": _address(told.said.url),
                "deliveryId": str(told.delivery.id),
                "correlationId": told.correlation_id,
            },
            dedup_key=f"notification-email-{told.delivery.origin_id}",
        )

    def _queue_sms(self, conn: Connection, job: RunningJob, told: _Told) -> None:
        add_job(
            conn,
            "send_sms",
            user_id=job.user_id,
            metadata={
                "userId": str(job.user_id),
                "phone_number": told.person.phone.number,
                "message": rules.sms_text(told.said, _address(told.said.url)),
                "urgent": told.urgent,
                "deliveryId": str(told.delivery.id),
                "correlationId": told.correlation_id,
            },
            priority=URGENT if told.urgent else ORDINARY,
            dedup_key=f"notification-sms-{told.delivery.origin_id}",
        )

    def _push(self, job: RunningJob, told: _Told, browsers: list[Subscription]) -> NotificationResult:
        message = PushMessage(
            id=told.delivery.origin_id,
            event_type=told.metadata.eventType,
            title=told.said.title,
            body=told.said.body,
            url=told.said.url,
            correlation_id=told.correlation_id,
            urgent=told.urgent,
        )
        for browser in browsers:
            job.checkpoint()
            self._pusher.push(job, told.delivery.origin_id, browser, message)
        with job.transaction() as conn:
            outcomes = repository.push_outcomes(conn, told.delivery.origin_id)
            verdict = rules.verdict(outcomes, last=job.is_last_attempt)
            if verdict.action == "sent":
                return self._close(conn, told, "sent", verdict.reason, "push")
            if verdict.action == "fall_back":
                if told.person.preferences.in_app_enabled:
                    self._show(conn, job, told)
                    return self._close(conn, told, "sent", f"{verdict.reason}: shown in the app", "in-app")
                if not outcomes:
                    return self._close(conn, told, "skipped", verdict.reason, None)
        raise (TransientError if "deferred" in outcomes else PermanentError)(verdict.reason)

    def failed(
        self, conn: Connection, *, job_id: UUID, user_id: UUID | None, metadata: dict[str, Any], error: str
    ) -> None:
        """Note a failed run, in the transaction that records it. The metadata may be anything."""
        if user_id is None:
            return
        channel, event_type, correlation_id = (metadata.get(key) for key in ("channel", "eventType", "correlationId"))
        repository.fail_delivery(
            conn,
            user_id,
            job_id,
            channel=channel if channel in CHANNELS else None,
            event_type=event_type if isinstance(event_type, str) and event_type in EVENTS else None,
            correlation_id=correlation_id if isinstance(correlation_id, str) else str(job_id),
            reason=error[:REASON_LENGTH],
        )

    def carrier_failed(self, conn: Connection, *, user_id: UUID | None, metadata: dict[str, Any], error: str) -> None:
        """Note that the email or the SMS of a notification will not go; other emails and SMS are no concern of ours."""
        delivery_id = _uuid(metadata.get("deliveryId"))
        if user_id is not None and delivery_id is not None:
            repository.fail_carried(conn, user_id, delivery_id, error[:REASON_LENGTH])

    def announce(
        self,
        conn: Connection,
        user_id: UUID,
        event_type: str,
        payload: dict[str, Any],
        *,
        correlation_id: str,
        key: str,
    ) -> int:
        """Tell of something by ourselves, on the channels the user has listed for it: none, unless they did.

        In the caller's transaction, once for each `key` and channel. Returns how many jobs there are for it.
        """
        listed = repository.channels_chosen(conn, user_id, event_type)
        chosen = [channel for channel in CHANNELS if channel in listed]
        for channel in chosen:
            announce_on(conn, channel, user_id, event_type, payload, correlation_id=correlation_id, key=key)
        return len(chosen)


def _result(
    metadata: NotificationMetadata, delivery_id: UUID, status: str, reason: str | None, sent_by: str | None
) -> NotificationResult:
    return NotificationResult(
        deliveryId=str(delivery_id), status=status, channel=sent_by or metadata.channel, reason=reason
    )


def _zone(person: Person) -> ZoneInfo:
    return ZoneInfo(iana_name(person.timezone) or "UTC")


def _address(url: str | None) -> str | None:
    """What leads somewhere from outside the app."""
    return url if url and not url.startswith("/") else None


def _uuid(given: Any) -> UUID | None:
    try:
        return UUID(given) if isinstance(given, str) else None
    except ValueError:
        return None
