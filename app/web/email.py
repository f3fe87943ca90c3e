"""Email: the pixel, the links, and mails that the web app hands to us (CONTRACT 5).

Public, each with its own protection.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, redirect, request
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from app.db.commit import OutcomeUnknown, transaction
from app.features.email import inbox, signing, tracking
from app.features.email.tracking import Visitor
from app.identity.users import find_user, parse_user_id
from app.queue.models import EmailAddress
from app.web.endpoint import OtherReply, endpoint, services
from app.web.errors import ApiError, not_found
from app.web.fields import Text
from app.web.schemas import Reply, Request

log = structlog.get_logger("email")

blueprint = Blueprint("email", __name__)


class ClickQuery(BaseModel):
    url: Text = Field(description="Where the link leads: one of that mail's own.")


class HandedMail(Request):
    """A mail to be sent for the web app."""

    recipientEmail: EmailAddress
    recipientUserId: Text
    subject: Text = Field(max_length=1000)
    htmlContent: Text | None = None
    textContent: Text | None = None
    deliveryId: Text | None = Field(
        None, max_length=200, description="Idempotency key: the same one again sends nothing."
    )
    eventId: Text | None = Field(None, max_length=200)


class HandedMailReply(Reply):
    success: bool = True
    messageId: str = Field(description="The Message-ID the mail has, or will have.")
    deduplicated: bool = Field(description="True when that deliveryId was taken over before.")


PIXEL = OtherReply(200, "Always a 1×1 GIF, never cached.", "image/gif")


@endpoint(blueprint, "GET", "/email/track/open/<tracking_id>", reply=PIXEL, public=True)
def opened(tracking_id: str) -> Response:
    """Record that a mail was opened"""
    if request.method == "GET":  # HEAD is a machine looking
        try:
            with transaction(services().engine, patience=0) as conn:  # nobody waits for a pixel
                tracking.record_open(conn, tracking_id, _visitor(), services().clock.now())
        except (SQLAlchemyError, OutcomeUnknown) as error:
            # A reader sees a picture, whatever is wrong with us.
            log.warning("an opening was not recorded", error=type(error).__name__)
    response = Response(tracking.PIXEL, mimetype="image/gif")
    response.headers["Cache-Control"] = "no-store, no-cache, must-revalidate, private, max-age=0"
    response.headers["Pragma"] = "no-cache"
    response.headers["Expires"] = "0"
    return response


@endpoint(
    blueprint,
    "GET",
    "/email/track/click/<tracking_id>",
    query=ClickQuery,
    reply=OtherReply(302, "On to the url."),
    public=True,
)
def clicked(tracking_id: str, query: ClickQuery) -> Response:
    """Record a click and lead on to the link"""
    with transaction(services().engine) as conn:
        if not tracking.record_click(conn, tracking_id, query.url, _visitor(), services().clock.now()):
            raise ApiError(400, "url: was not in that email", "unknown_link")
    response = redirect(query.url, 302)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _known_sender() -> None:
    """Let only the web app pass: the secret, and where signature headers are sent, a right and fresh signature."""
    known = services().settings.private_buildos_webhook_secret
    secret = known.get_secret_value() if known else ""
    if not secret or not signing.is_bearer(request.headers.get("Authorization"), secret):
        raise ApiError(401, "Unauthorized")
    signature, timestamp = _signature()
    if signature is None and timestamp is None:
        return
    body = request.get_data(cache=True)
    if not signing.is_signed(signature or "", timestamp or "", body, secret, services().clock.now()):
        raise ApiError(401, "Unauthorized")


@endpoint(
    blueprint,
    "POST",
    "/api/webhooks/send-notification-email",
    body=HandedMail,
    reply=HandedMailReply,
    errors=(401, 404),
    public=True,
    gate=_known_sender,
)
def take_over(body: HandedMail) -> HandedMailReply:
    """Send a mail for the web app, once for each deliveryId"""
    if not (body.htmlContent or body.textContent):
        raise ApiError(
            400, "htmlContent: or textContent is required", details=[{"field": "htmlContent", "message": "is required"}]
        )
    user_id = parse_user_id(body.recipientUserId)
    if user_id is None:
        raise not_found("User")
    delivery = inbox.Delivery(
        to=body.recipientEmail,
        user_id=user_id,
        subject=body.subject,
        html=body.htmlContent,
        text=body.textContent,
        delivery_id=body.deliveryId or None,
        event_id=body.eventId,
    )
    signature, _ = _signature()
    with transaction(services().engine) as conn:
        if find_user(conn, user_id) is None:
            raise not_found("User")
        if signature is not None and not inbox.use_signature(conn, signature, services().clock.now()):
            raise ApiError(401, "Unauthorized")
        message_id, known = services().email.accept(conn, delivery)
    return HandedMailReply(messageId=message_id, deduplicated=known)


def _signature() -> tuple[str | None, str | None]:
    return request.headers.get("X-Webhook-Signature"), request.headers.get("X-Webhook-Timestamp")


def _visitor() -> Visitor:
    return Visitor(request.remote_addr, request.headers.get("User-Agent"))
