"""One try to send one email, recorded before and after (CONTRACT 8.2, 13: nothing goes out twice).

    emails.status   pending ──► sending ──► sent           the email
                       ▲           │  └───► failed
                       └───────────┘ surely not gone, to be tried again
                    cancelled: by whoever wrote it, or with its job; a retry of that job by hand sends it

    email_logs      started ──► handing_over ──► sent | failed | unknown    one try each

A try writes `started`, prepares everything, and writes `handing_over` in a transaction that holds only while the
job is still its own: a run that lost its job sends nothing. `sent` is a fact about the outside and is written
whoever owns the job by then. A later try finds `sent` and sends nothing. It finds `handing_over` without an end
only when a process died, or the database was away, in the moment between: then the transport is asked, and where it
cannot know, the mail goes again under the same Message-ID and delivery id, by which receiving systems know a second
copy.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine

from app.db.insist import insist
from app.features.email import repository, rules
from app.features.email.render import Content
from app.features.email.repository import Email, Try
from app.ports.clock import Clock
from app.ports.mail import Mail, MailDeferred, MailError, MailMessage, MailRefused, MailUnknown
from app.queue.errors import PermanentError, TransientError
from app.queue.reads import find_job
from app.queue.running import RunningJob
from app.realtime.events import emit

log = logging.getLogger(__name__)

# Another job's run that was cancelled in mid-sending may need this long to end.
UNDER_WAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Sent:
    """An email that has gone, now or earlier."""

    email_id: UUID
    tracking_id: str
    message_id: str | None


class _HasGone(Exception):
    """At the last look, the mail had gone."""


Compose = Callable[[Connection, Email, rules.Tracking], Content]


class Sender:
    """Sends emails through a `Mail`. Holds no state of its own. `domain` is that of the Message-IDs."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        *,
        public_url: str | None,
        domain: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._public_url = public_url
        self.domain = domain
        self._sleep = sleep

    def send(
        self,
        job: RunningJob,
        mail: Mail,
        find: Callable[[Connection], UUID],
        to: str,
        compose: Compose,
        event_id: str | None = None,
    ) -> Sent:
        """Send the email that `find` names to `to`, unless it has gone already.

        `compose` writes it, with links as its tracking wants them. Raises PermanentError or TransientError, LeaseLost when the
        job is no longer ours, and what the database raises.
        """
        with job.transaction() as conn:
            email = repository.lock_email(conn, find(conn), job.user_id)
            if email is None:
                raise PermanentError("emailId: there is no such email")
            if email.status == "sent":
                return Sent(email.id, email.tracking_id, repository.sent_id(conn, email.id) or email.message_id)
            if email.status == "cancelled" and not _cancelled_with_its_job(conn, job):
                raise PermanentError("emailId: the email was cancelled")
            earlier = repository.last_try(conn, email.id)
            self._refuse_to_overtake(earlier, job)
            message = self._compose(conn, email, to, compose, event_id)
            try_id = repository.begin_try(conn, email, job.id, job.attempt, mail.name, message.message_id)
        if earlier and mail.has_gone(message):
            log.info("email.had_gone email_id=%s", email.id)
            return self._record_sent(email, try_id, to, message.message_id)
        return self._hand_over(job, mail, email, try_id, message)

    def _refuse_to_overtake(self, earlier: Try | None, job: RunningJob) -> None:
        if earlier is None or earlier.status != "handing_over" or earlier.queue_job_id == job.id:
            return
        if self._clock.now() - earlier.created_at < UNDER_WAY:
            raise TransientError("another job was sending this email a moment ago")

    def _compose(self, conn: Connection, email: Email, to: str, compose: Compose, event_id: str | None) -> MailMessage:
        tracking = rules.Tracking(self._public_url, email.tracking_id)
        content = compose(conn, email, tracking)
        message_id = email.message_id or rules.message_id(email.id, self.domain)
        repository.prepare(conn, email, to, content, tracking.urls, message_id)
        return MailMessage(
            message_id=message_id,
            delivery_id=str(email.id),
            to=to,
            subject=content.subject,
            sent_at=self._clock.now(),
            user_id=email.user_id,
            text=content.text,
            html=content.html,
            event_id=event_id,
        )

    def _hand_over(self, job: RunningJob, mail: Mail, email: Email, try_id: UUID, message: MailMessage) -> Sent:
        def handing_over() -> None:
            with job.transaction() as conn:
                if not repository.mark_handing_over(conn, email, try_id):
                    raise _HasGone

        try:
            message_id = mail.send(message, handing_over)
        except _HasGone:
            return self._gone_already(email, try_id, message.message_id)
        except MailError as error:
            self._record_failure(email, try_id, message.to, error)
            raise rules.job_error(error) from None
        return self._record_sent(email, try_id, message.to, message_id)

    def _record_sent(self, email: Email, try_id: UUID, to: str, message_id: str) -> Sent:
        sent = Sent(email.id, email.tracking_id, message_id)

        def write(conn: Connection) -> None:
            news = repository.mark_sent(conn, email, try_id, to, message_id, self._clock.now())
            if news and email.daily_brief_id is not None:
                payload = {"emailId": str(email.id), "trackingId": email.tracking_id}
                emit(conn, email.user_id, "brief_email_sent", payload, key=f"brief_email_sent:{email.id}")

        insist(self._engine, write, self._sleep)
        return sent

    def _gone_already(self, email: Email, try_id: UUID, message_id: str) -> Sent:
        """An earlier run, believed dead, has sent it while this one made ready."""
        with self._engine.begin() as conn:
            repository.drop_try(conn, try_id)
            return Sent(email.id, email.tracking_id, repository.sent_id(conn, email.id) or message_id)

    def _record_failure(self, email: Email, try_id: UUID, to: str, error: MailError) -> None:
        outcome = "unknown" if isinstance(error, MailUnknown) else "failed"
        status = {MailRefused: "failed", MailDeferred: "pending"}.get(type(error), "sending")

        def write(conn: Connection) -> None:
            repository.mark_not_sent(conn, email, try_id, to, outcome, status, str(error))

        insist(self._engine, write, self._sleep)


def _cancelled_with_its_job(conn: Connection, job: RunningJob) -> bool:
    """Whether the job retries one that was cancelled: whoever asks for that wants the mail again."""
    retried = find_job(conn, job.metadata.retriedFrom or "")
    return retried is not None and retried.status == "cancelled"
