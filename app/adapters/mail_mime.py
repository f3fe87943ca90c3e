"""A mail in the form in which it travels (RFC 5322, MIME)."""

from __future__ import annotations

from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, parseaddr

from app.ports.mail import MailMessage, MailRefused
from app.settings import Settings

NAME = "BuildOS"


def sender_of(settings: Settings) -> tuple[str, str]:
    """(name, address) mail comes from: EMAIL_FROM, else the account it is sent with."""
    name, address = parseaddr(settings.email_from or "")
    if not address and settings.email_user and "@" in settings.email_user:
        address = settings.email_user
    return name or NAME, address or "buildos@localhost"


def to_mime(message: MailMessage, sender: tuple[str, str]) -> EmailMessage:
    """The message with its headers and parts, text before HTML.

    Raises MailRefused for an address that cannot stand in a header.
    """
    mime = EmailMessage(policy=policy.SMTP)
    try:
        mime["From"] = formataddr(sender)
        mime["To"] = Address(addr_spec=message.to) if message.to.isascii() else message.to
        mime["Subject"] = message.subject
    except (ValueError, IndexError):
        raise MailRefused("the address or the subject cannot stand in a mail") from None
    mime["Date"] = format_datetime(message.sent_at)
    mime["Message-ID"] = message.message_id
    mime["Auto-Submitted"] = "auto-generated"  # keeps out-of-office answers away
    if message.text is not None:
        mime.set_content(message.text)
    if message.html is not None:
        if message.text is None:
            mime.set_content(message.html, subtype="html")
        else:
            mime.add_alternative(message.html, subtype="html")
    return mime
