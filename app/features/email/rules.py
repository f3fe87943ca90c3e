"""What the email feature decides: pure functions, no clock, no database (CONTRACT 8.2, 10, 13)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit
from uuid import UUID

from app.ports.mail import MailError, MailRefused
from app.queue.errors import PermanentError, TransientError

SUBJECT_LENGTH = 200  # characters; longer ones are cut by every mail client anyway
PREHEADER_LENGTH = 140
LONGEST_URL = 4000  # characters of a link that is wrapped; mail clients cut longer ones

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_line(text: str, limit: int) -> str:
    """`text` without line breaks and control characters, at most `limit` characters, the rest as "…"."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def subject_line(text: str) -> str:
    """A subject that can stand in a header; never empty."""
    return one_line(text, SUBJECT_LENGTH) or "(no subject)"


def message_id(email_id: UUID, domain: str) -> str:
    """The Message-ID of an email.

    The same in every try, so that a receiving system knows a second copy for what it is.
    """
    return f"<{email_id}@{domain}>"


def is_wrappable(url: str) -> bool:
    """Whether a link is counted by way of us: absolute http and https only.

    mailto:, tel:, anchors and relative ones stay.
    """
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and len(url) <= LONGEST_URL and url.isprintable()
        )
    except ValueError:
        return False


def click_url(public_url: str, tracking_id: str, url: str) -> str:
    """The address that counts a click and leads on to `url`."""
    return f"{public_url}/email/track/click/{quote(tracking_id, safe='')}?url={quote(url, safe='')}"


def open_url(public_url: str, tracking_id: str) -> str:
    """The address of the pixel that counts an opening."""
    return f"{public_url}/email/track/open/{quote(tracking_id, safe='')}"


@dataclass
class Tracking:
    """The links of one email while it is written.

    Without `public_url` nobody could reach us: nothing is wrapped, no pixel.
    """

    public_url: str | None
    tracking_id: str
    urls: list[str] = field(default_factory=list)

    def link(self, url: str) -> str:
        """`url` as it stands in the mail; where it leads is remembered in `urls`."""
        if not self.public_url or not is_wrappable(url) or url.startswith(f"{self.public_url}/email/track/"):
            return url
        if url not in self.urls:
            self.urls.append(url)
        return click_url(self.public_url, self.tracking_id, url)

    @property
    def pixel(self) -> str | None:
        """The pixel's address, where there can be one."""
        return open_url(self.public_url, self.tracking_id) if self.public_url else None


def job_error(error: MailError) -> PermanentError | TransientError:
    """What a failed try means for the job: a refusal ends it, anything else is worth another attempt."""
    return PermanentError(str(error)) if isinstance(error, MailRefused) else TransientError(str(error))
