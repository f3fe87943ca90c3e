"""Calendar files at an address that a user gave us: fetched as by a careful stranger (CONTRACT 8.7, 10)."""

from __future__ import annotations

from urllib.parse import urljoin

from app.adapters.safe_http import ForbiddenTarget, NoReply, Reply, get
from app.formats.text import MAX_BYTES
from app.ports.calendar import CalendarDeferred, CalendarRefused, Fetched
from app.settings import Settings

TIMEOUT = 30.0  # seconds, for all hops together at most four times that
HOPS = 4
MOVED = (301, 302, 303, 307, 308)


class FeedReader:
    """`Feeds` over HTTP. Every hop of a redirect is checked like the first address."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def fetch(self, url: str, *, etag: str | None, last_modified: str | None) -> Fetched:
        """As `Feeds.fetch`. An address of a feed may be a secret: no message names it."""
        headers = {
            "Accept": "text/calendar, */*;q=0.1",
            "Accept-Encoding": "identity",
            "User-Agent": "BuildOS calendar feeds",
        }
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        for _ in range(HOPS):
            reply = self._get(url, headers)
            if reply.status not in MOVED:
                return _fetched(reply)
            if not (onward := reply.headers.get("location")):
                raise CalendarRefused("the feed leads nowhere")
            url = urljoin(url, onward)
        raise CalendarRefused("the feed leads from one address to the next")

    def _get(self, url: str, headers: dict[str, str]) -> Reply:
        insecure = self._settings.feed_allow_insecure
        try:
            return get(url, headers, timeout=TIMEOUT, largest=MAX_BYTES, allow_insecure=insecure)
        except ForbiddenTarget as error:
            raise CalendarRefused(f"the feed is not read: {error}") from None
        except NoReply as error:
            raise CalendarDeferred(f"the feed gave no answer: {error}") from None


def _fetched(reply: Reply) -> Fetched:
    if reply.status == 304:
        return Fetched(None, reply.headers)
    if reply.status == 200:
        if len(reply.body) > MAX_BYTES:
            raise CalendarRefused(f"the feed is larger than {MAX_BYTES // 1048576} MB")
        return Fetched(reply.body, reply.headers)
    if reply.status >= 500 or reply.status in (408, 425, 429):
        raise CalendarDeferred(f"the feed answered {reply.status}")
    raise CalendarRefused(f"the feed answered {reply.status}")
