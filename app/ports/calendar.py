"""What we need from calendars elsewhere: Google's, spoken to for a user, and files at an address (CONTRACT 8.7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


class CalendarError(Exception):
    """It did not work. The message is one line for people and holds no secret."""


class CalendarDeferred(CalendarError):
    """Trying again later may help: no connection, too many requests, trouble on the other side."""


class CalendarRefused(CalendarError):
    """Trying again cannot help: the request is wrong, or the account may not do this."""


class NotAuthorized(CalendarError):
    """The access token is not good any more; a new one may be."""


class ConsentGone(CalendarError):
    """The user has taken back the consent, or it has run out: only connecting again helps."""


class SyncTokenGone(CalendarError):
    """What changed since then is no longer known: everything has to be read anew."""


class EventGone(CalendarError):
    """There is no such event, or not any more."""


class EventChanged(CalendarError):
    """The event is not in the version that was named (If-Match)."""


class EventExists(CalendarError):
    """There is, or was, an event of that id."""


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """What a consent is worth. `refresh` is None where the one we have stays; times are aware."""

    access: str
    expires_at: datetime
    refresh: str | None = None
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CalendarInfo:
    """A calendar: its own id, also where it was asked for as `primary`, its title and its IANA zone."""

    id: str
    name: str | None
    timezone: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, as Google's JSON. On the last page `sync_token` is set, before it `page_token`."""

    items: list[dict[str, Any]]
    page_token: str | None
    sync_token: str | None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Watching:
    """A push channel that the other side has confirmed."""

    resource_id: str
    expires_at: datetime


class GoogleCalendar(Protocol):
    """Google Calendar. Every method may raise CalendarDeferred and CalendarRefused; those with `access` NotAuthorized too."""

    def consent_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        """Where a browser asks its user for consent. `challenge` is PKCE's (S256)."""
        ...

    def exchange(self, *, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """The tokens for a code that came back. Raises ConsentGone where it is not good."""
        ...

    def refresh(self, refresh_token: str) -> Tokens:
        """A new access token. Raises ConsentGone."""
        ...

    def revoke(self, token: str) -> None:
        """Take the consent back; one that is not good any more is no error."""
        ...

    def calendar(self, access: str, calendar_id: str) -> CalendarInfo:
        """A calendar. Raises EventGone where there is none."""
        ...

    def changes(
        self, access: str, calendar_id: str, *, sync_token: str | None, page_token: str | None, since: datetime
    ) -> Page:
        """A page of what changed since `sync_token`; without one of all events that end after `since`, series as they are.

        Raises SyncTokenGone.
        """
        ...

    def event(self, access: str, calendar_id: str, event_id: str) -> dict[str, Any]:
        """One event. Raises EventGone."""
        ...

    def insert(self, access: str, calendar_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make an event under the id in `body`; as it is then. Raises EventExists."""
        ...

    def patch(
        self, access: str, calendar_id: str, event_id: str, body: dict[str, Any], etag: str | None
    ) -> dict[str, Any]:
        """Change these fields of an event, as it is then; with an `etag` only in that version. Raises EventChanged, EventGone."""
        ...

    def delete(self, access: str, calendar_id: str, event_id: str) -> None:
        """Delete an event. Raises EventGone."""
        ...

    def watch(self, access: str, calendar_id: str, *, channel_id: str, token: str, address: str) -> Watching:
        """Have changes told to `address`."""
        ...

    def stop(self, access: str, *, channel_id: str, resource_id: str) -> None:
        """Have them told no more; a channel that is unknown there is no error."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file at an address; `body` is None where it is still the version we have. `headers` are by lower-case name."""

    body: bytes | None
    headers: dict[str, str] = field(default_factory=dict)


class Feeds(Protocol):
    """Calendar files at an address that a user gave us."""

    def fetch(self, url: str, *, etag: str | None, last_modified: str | None) -> Fetched:
        """The file, unless it is still the version named. Raises CalendarDeferred, CalendarRefused."""
        ...
