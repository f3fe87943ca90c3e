"""Connecting calendars and taking them off again: Google's consent with state and PKCE, and feeds (CONTRACT 8.7, 10)."""

from __future__ import annotations

import hashlib
import logging
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import Connection, Engine

from app.db.commit import transaction
from app.features.calendar import connections
from app.features.calendar.account import secret_of
from app.features.calendar.connections import Channel, Connected
from app.features.calendar.vault import NoLongerReadable, Vault, digest, matches
from app.ports.calendar import (
    CalendarDeferred,
    CalendarError,
    ConsentGone,
    EventGone,
    GoogleCalendar,
    NotAuthorized,
    Tokens,
)
from app.ports.clock import Clock
from app.queue.adding import AddedJob

log = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=10)  # a consent that was asked for is waited for
MOST = 50  # calendars of a user
LONGEST_URL = 2000  # characters
EVENTS_SCOPE = "https://www.googleapis.com/auth/calendar.events"
TOLD = ("exists", "not_exists")  # resource states that mean a change; `sync` says that a channel works


class NotConnected(Exception):
    """It could not be connected. `field` names what was wrong; the message is for people. `passing`: trying again may help."""

    def __init__(self, message: str, *, field: str | None = None, code: str = "not_connected", passing: bool = False):
        super().__init__(message)
        self.message, self.field, self.code, self.passing = message, field, code, passing


@dataclass(frozen=True)
class Consent:
    """Where a browser goes, and the secret that it must bring back where it is sent there by us."""

    url: str
    browser: str


class Connecting:
    """`google_ready`: whether there is a client at Google. `vault` is None where tokens could not be stored safely."""

    def __init__(
        self, engine: Engine, clock: Clock, google: GoogleCalendar, vault: Vault | None, *, google_ready: bool
    ) -> None:
        self._engine, self._clock, self._google = engine, clock, google
        self._vault, self._google_ready = vault, google_ready

    def ask_consent(
        self, conn: Connection, user_id: UUID, calendar_id: str, redirect_uri: str, *, same_browser: bool
    ) -> Consent:
        """Begin Google's code flow for a user. The answer counts for ten minutes, once. Raises NotConnected."""
        vault = self._ready()
        state, verifier, browser = (secrets.token_urlsafe(32) for _ in range(3))
        now = self._clock.now()
        connections.open_authorization(
            conn,
            now,
            state_hash=digest(state),
            owner_id=user_id,
            calendar_id=calendar_id,
            verifier=vault.lock({"verifier": verifier}),
            redirect_uri=redirect_uri,
            browser_hash=digest(browser) if same_browser else None,
            expires_at=now + PATIENCE,
        )
        url = self._google.consent_url(state=state, challenge=challenge_of(verifier), redirect_uri=redirect_uri)
        return Consent(url, browser)

    def come_back(
        self, state: str, code: str | None, refusal: str | None, browser: str | None
    ) -> tuple[Connected, AddedJob]:
        """The browser is back: code → tokens → connection and its first sync. Raises NotConnected; every state works once."""
        vault = self._ready()
        with transaction(self._engine) as conn:
            asked = connections.take_authorization(conn, digest(state))
        if asked is None or asked.expires_at <= self._clock.now():
            raise NotConnected(
                "This consent is not known, or too old: connect again", field="state", code="unknown_state"
            )
        if asked.browser_hash is not None and not matches(browser or "", asked.browser_hash):
            raise NotConnected("This consent was asked for in another browser", field="state", code="unknown_state")
        if refusal or not code:
            raise NotConnected("Google was not given consent", field="code", code="consent_refused")
        try:
            tokens = self._google.exchange(
                code=code, verifier=vault.unlock(asked.verifier)["verifier"], redirect_uri=asked.redirect_uri
            )
            self._check(tokens)
            found = self._google.calendar(tokens.access, asked.calendar_id)
        except (ConsentGone, NotAuthorized, NoLongerReadable):
            raise NotConnected("Google does not accept the code: connect again", field="code") from None
        except EventGone:
            raise NotConnected("There is no such calendar", field="calendarId") from None
        except CalendarError as error:
            raise NotConnected(str(error), passing=isinstance(error, CalendarDeferred)) from None
        with transaction(self._engine) as conn:
            connection = connections.save(conn, asked.owner_id, "google", found.id, found.name, found.timezone)
            connections.keep_secret(conn, connection.id, vault.lock(secret_of(tokens)))
            return connection, connections.queue_sync(conn, connection)

    def connect_feed(self, conn: Connection, user_id: UUID, url: str, name: str | None) -> tuple[Connected, AddedJob]:
        """Connect an .ics address; whether it answers, its first sync finds out. Raises NotConnected."""
        if self._vault is None:
            raise NotConnected("CALENDAR_TOKEN_KEY is not set", code="not_configured")
        url = feed_address(url)
        if len(connections.of_user(conn, user_id)) >= MOST:
            raise NotConnected(f"More than {MOST} calendars cannot be connected", code="too_many")
        connection = connections.save(conn, user_id, "feed", digest(url), name, None)
        connections.keep_secret(conn, connection.id, self._vault.lock({"url": url}))
        return connection, connections.queue_sync(conn, connection)

    def disconnect(self, connection: Connected) -> None:
        """Take a calendar off: its events go at once, and Google is told as far as it can be reached."""
        farewell = None
        if connection.provider == "google" and self._vault is not None and self._google_ready:
            with self._engine.connect() as conn:
                others = [c for c in connections.of_user(conn, connection.user_id) if c.provider == "google"]
                channels = connections.channels(conn, connection.id)
                kept = connections.secret(conn, connection.id)
            farewell = (kept, channels, len(others) <= 1)
        with transaction(self._engine) as conn:
            connections.delete(conn, connection.id)
        if farewell and farewell[0]:
            self._say_goodbye(connection, *farewell)

    def _say_goodbye(self, connection: Connected, kept: str, channels: list[Channel], last: bool) -> None:
        """Best effort: a channel that is not stopped ends by itself, its calls are refused; a consent can be taken back at Google."""
        try:
            refresh = self._vault.unlock(kept)["refresh"]
            access = self._google.refresh(refresh).access
            for each in channels:
                if each.resource_id:
                    self._google.stop(access, channel_id=str(each.id), resource_id=each.resource_id)
            if last:  # the consent is the account's, not the calendar's
                self._google.revoke(refresh)
        except (CalendarError, NoLongerReadable) as error:
            log.info("Google was not told that connection %s is gone: %s", connection.id, error)

    def called(self, channel_id: UUID | None, token: str, resource_id: str, state: str) -> bool:
        """Google calls: queue a sync. False for whoever does not know the channel's secret, in the same time for all."""
        with transaction(self._engine) as conn:
            channel = connections.channel(conn, channel_id) if channel_id else None
            right = matches(token, channel.token_hash if channel else digest(secrets.token_urlsafe(8)))
            if channel is None or not right:
                return False
            if channel.resource_id is not None and not matches(resource_id, digest(channel.resource_id)):
                return False
            connection = connections.find(conn, channel.connection_id)
            if state in TOLD and connection is not None and connection.status == "active":
                connections.queue_sync(conn, connection)
            return True

    def _ready(self) -> Vault:
        if not self._google_ready:
            raise NotConnected("Google Calendar is not set up here (GOOGLE_CLIENT_ID)", code="not_configured")
        if self._vault is None:
            raise NotConnected("CALENDAR_TOKEN_KEY is not set", code="not_configured")
        return self._vault

    @staticmethod
    def _check(tokens: Tokens) -> None:
        if not tokens.refresh:
            raise NotConnected(
                "Google gave no lasting consent: remove the app in your Google account and connect again"
            )
        if tokens.scopes and EVENTS_SCOPE not in tokens.scopes:
            raise NotConnected(
                "The consent does not cover events: connect again and tick the calendar", code="consent_refused"
            )


def challenge_of(verifier: str) -> str:
    """PKCE's challenge (S256) of a verifier."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def feed_address(url: str) -> str:
    """An address as it is fetched: `webcal` is https by another name. Raises NotConnected for what is none."""
    url = url.strip()
    for other in ("webcal://", "webcals://"):
        if url.lower().startswith(other):
            url = "https://" + url[len(other) :]
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isascii() and len(url) <= LONGEST_URL
        good = good and not any(char <= " " for char in url) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise NotConnected(
            "expects an address such as https://example.com/calendar.ics", field="url", code="invalid_input"
        )
    return url
