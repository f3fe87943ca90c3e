"""The mail that was sent, for operators, with its marks: opened, clicked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, Response
from pydantic import Field

from app.features.email.listing import find_mail, list_mails
from app.queue.reads import api_value, as_uuid
from app.web.endpoint import endpoint, reading
from app.web.errors import invalid, not_found
from app.web.fields import Limit, parse_instant
from app.web.schemas import Reply, Request
from app.web.unchanged import unless_unchanged
from app.web.users import MAX_CURSOR

blueprint = Blueprint("mail", __name__)


class Mail(Reply):
    id: str
    user_id: str
    subject: str
    recipients: list[str] | None = Field(description="null before the first try.")
    status: Literal["pending", "sending", "sent", "failed", "cancelled"]
    transport: str | None = Field(description="smtp, webhook, or outbox: a folder of this machine.")
    error: str | None = Field(description="Of the latest try.")
    queue_job_id: str | None = Field(description="Uuid of the job that sends it, where the job made the mail.")
    created_at: datetime
    sent_at: datetime | None
    open_count: int | None
    click_count: int | None
    opened_at: datetime | None = Field(description="The first time.")
    clicked_at: datetime | None = Field(description="The first time.")


class MailsReply(Reply):
    mails: list[Mail] = Field(description="Newest first.")
    nextCursor: str | None = Field(description="For the next page; null on the last one.")


class MailTry(Reply):
    attempt: int | None
    transport: str
    status: Literal["started", "handing_over", "sent", "failed", "unknown"]
    error: str | None
    message_id: str | None
    queue_job_id: str | None
    created_at: datetime


class MailMark(Reply):
    event_type: Literal["opened", "clicked"]
    clicked_url: str | None
    user_agent: str | None
    created_at: datetime


class MailReply(Mail):
    text: str | None
    html: str | None
    tries: list[MailTry] = Field(description="Oldest first.")
    marks: list[MailMark] = Field(description="Oldest first.")


class MailsQuery(Request):
    limit: Limit = 20
    cursor: Annotated[str, Field(max_length=MAX_CURSOR)] | None = None


@endpoint(blueprint, "GET", "/mail", query=MailsQuery, reply=MailsReply, operator=True)
def get_mails(query: MailsQuery) -> Response:
    """The mail that was sent or is about to be, newest first"""
    before = _read_cursor(query.cursor) if query.cursor is not None else None
    with reading() as conn:
        found = list_mails(conn, limit=query.limit + 1, before=before)
    page = [_shown(mail) for mail in found[: query.limit]]
    following = f"{page[-1]['created_at']}_{page[-1]['id']}" if len(found) > query.limit else None
    return unless_unchanged({"mails": page, "nextCursor": following})


@endpoint(blueprint, "GET", "/mail/<mail_id>", reply=MailReply, errors=(404,), operator=True)
def get_mail(mail_id: str) -> dict[str, Any]:
    """A mail with its text, every try to send it, and every time it was opened or clicked"""
    known = as_uuid(mail_id)
    with reading() as conn:
        mail = find_mail(conn, known) if known is not None else None
    if mail is None:
        raise not_found("Mail")
    return {
        **_shown(mail),
        "tries": [_shown(each) for each in mail["tries"]],
        "marks": [_shown(each) for each in mail["marks"]],
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: api_value(value) for name, value in row.items()}


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    at, _, mail_id = cursor.partition("_")
    known = as_uuid(mail_id)
    try:
        moment = parse_instant(at)
    except ValueError:
        moment = None
    if moment is None or known is None:
        raise invalid("cursor", "not a cursor of this list")
    return moment, known
