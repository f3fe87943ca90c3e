"""The three jobs that send mail: a brief's, a notification's, and any other (CONTRACT 4, 8.2)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from app.features.email import render, repository
from app.features.email.inbox import Delivery, accept
from app.features.email.render import Content
from app.features.email.repository import Email
from app.features.email.rules import Tracking
from app.features.email.sending import Sender
from app.ports.mail import Mail
from app.queue.errors import PermanentError, TransientError
from app.queue.models import (
    BriefEmailMetadata,
    BriefEmailResult,
    EmailMetadata,
    MessageResult,
    NotificationEmailMetadata,
)
from app.queue.running import RunningJob


class EmailService:
    """Sends what jobs ask for.

    `mail` is how mail leaves; `own_mail` leaves without the web app, for what it handed to us.
    """

    def __init__(self, sender: Sender, mail: Mail, own_mail: Mail) -> None:
        self._sender = sender
        self._mail = mail
        self._own_mail = own_mail

    def send_brief(self, job: RunningJob) -> BriefEmailResult:
        """Send the mail of a finished brief, as the brief is now. Raises as `Sender.send`."""
        metadata: BriefEmailMetadata = job.metadata
        job.progress("sending", 20, "Sending your brief by email")

        def compose(conn: Connection, email: Email, tracking: Tracking) -> Content:
            return render.brief(email.subject, _finished_brief(conn, metadata.briefId, email), tracking)

        sent = self._sender.send(job, self._mail, lambda conn: metadata.emailId, metadata.recipientEmail, compose)
        return BriefEmailResult(emailId=str(sent.email_id), trackingId=sent.tracking_id, messageId=sent.message_id)

    def send_email(self, job: RunningJob) -> MessageResult:
        """Send the mail that the metadata spells out."""
        metadata: EmailMetadata = job.metadata

        def find(conn: Connection) -> UUID:
            return repository.email_of_job(conn, job.user_id, job.id, _uuid(metadata.retriedFrom), metadata.subject)

        def compose(conn: Connection, email: Email, tracking: Tracking) -> Content:
            return render.message(metadata.subject, metadata.html, metadata.text, tracking)

        sent = self._sender.send(job, self._mail, find, metadata.to, compose)
        return MessageResult(messageId=sent.message_id)

    def send_notification(self, job: RunningJob) -> MessageResult:
        """Send a notification by mail: one of our own, or a mail the web app has handed to us (`emailId`)."""
        metadata: NotificationEmailMetadata = job.metadata
        event_id = metadata.eventId or metadata.correlationId

        def find(conn: Connection) -> UUID:
            return metadata.emailId or repository.email_of_job(
                conn, job.user_id, job.id, _uuid(metadata.retriedFrom), metadata.subject or metadata.title or ""
            )

        def compose(conn: Connection, email: Email, tracking: Tracking) -> Content:
            handed = email.template_data.get("handed_over")
            if isinstance(handed, dict):
                return render.message(email.subject, handed.get("html"), handed.get("text"), tracking)
            return _notification(metadata, tracking)

        # What the web app asks us to send must not go back to it.
        mail = self._own_mail if metadata.emailId else self._mail
        sent = self._sender.send(job, mail, find, metadata.recipientEmail, compose, event_id)
        return MessageResult(messageId=sent.message_id)

    def accept(self, conn: Connection, delivery: Delivery) -> tuple[str, bool]:
        """Take over a mail of the web app in the caller's transaction, as `inbox.accept`."""
        return accept(conn, delivery, self._sender.domain)

    def failed(
        self, conn: Connection, *, job_id: UUID, user_id: UUID | None, metadata: dict[str, Any], final: bool
    ) -> None:
        """Note, in the transaction that ends a job for good, that its email will not be sent.

        The metadata may be anything.
        """
        if final and user_id is not None:
            repository.mark_given_up(conn, user_id, job_id, _uuid(metadata.get("emailId")))


def _finished_brief(conn: Connection, brief_id: UUID, email: Email) -> str:
    """The brief's Markdown. Raises PermanentError where there is none, TransientError while it is being made."""
    brief = repository.find_brief(conn, brief_id, email.user_id)
    if brief is None or email.daily_brief_id not in (None, brief_id):
        raise PermanentError("briefId: there is no such brief")
    if brief.generation_status in ("pending", "processing"):
        raise TransientError("the brief is not finished yet")
    if brief.generation_status != "completed" or not brief.summary_content:
        raise PermanentError("briefId: the brief failed, there is nothing to send")
    return brief.summary_content


def _notification(metadata: NotificationEmailMetadata, tracking: Tracking) -> Content:
    if metadata.htmlContent or metadata.textContent:
        return render.message(
            metadata.subject or metadata.title or "", metadata.htmlContent, metadata.textContent, tracking
        )
    title = metadata.title or metadata.subject
    if not title:
        raise PermanentError("metadata.emailId: the email holds nothing to send")
    return render.notification(
        metadata.subject or title, title, metadata.body or "", metadata.url, metadata.actionLabel or "Open", tracking
    )


def _uuid(given: Any) -> UUID | None:
    try:
        return UUID(given) if isinstance(given, str) else None
    except ValueError:
        return None
