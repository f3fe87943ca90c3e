"""A user's Google account for the length of one run: tokens that stay fresh, and what Google's refusals mean for a job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection

from app.features.calendar import connections
from app.features.calendar.connections import Connected
from app.features.calendar.vault import NoLongerReadable, Vault
from app.ports.calendar import (
    CalendarDeferred,
    CalendarRefused,
    ConsentGone,
    GoogleCalendar,
    NotAuthorized,
    Tokens,
)
from app.ports.clock import Clock
from app.queue.adding import add_job
from app.queue.errors import PermanentError, TransientError

log = logging.getLogger(__name__)
T = TypeVar("T")

SPARE = timedelta(seconds=60)  # an access token is renewed before it ends


class ConnectionBroken(PermanentError):
    """The connection works no more until the user connects again; it is marked so."""


def secret_of(tokens: Tokens, earlier: dict[str, Any] | None = None) -> dict[str, Any]:
    """What is stored of tokens; the refresh token that we have stays where no new one came."""
    refresh = tokens.refresh or (earlier or {}).get("refresh")
    return {"access": tokens.access, "refresh": refresh, "expires_at": tokens.expires_at.isoformat()}


class Account:
    """Calls Google for one connection. `transaction` opens one that commits only while the run is still the connection's last."""

    def __init__(
        self,
        google: GoogleCalendar,
        vault: Vault,
        clock: Clock,
        connection: Connected,
        transaction: Callable[[], AbstractContextManager[Connection]],
        wait: Callable[[Callable[[], Any]], Any] = lambda call: call(),
    ) -> None:
        self._google, self._vault, self._clock = google, vault, clock
        self._connection = connection
        self._transaction = transaction
        self._wait = wait
        self._secret: dict[str, Any] | None = None

    def call(self, ask: Callable[[str], T]) -> T:
        """What `ask(access token)` returns. A token that is refused is renewed once.

        Raises TransientError, PermanentError and ConnectionBroken; what the port says of single events passes through.
        """
        with self._refusals():
            try:
                return self._wait(lambda: ask(self._access()))
            except NotAuthorized:
                pass
            try:
                self._renew()
                return self._wait(lambda: ask(self._access()))
            except NotAuthorized:
                raise self._broken("Google refuses a new token as well; connect the calendar again") from None

    def open(self) -> None:
        """Read the tokens, and renew them where they are about to end. Raises as `call`."""
        with self._refusals():
            self._load()
            if datetime.fromisoformat(self._secret["expires_at"]) - self._clock.now() < SPARE:
                self._renew()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What Google's refusals mean for a job."""
        try:
            yield
        except ConsentGone:
            raise self._broken("the consent was taken back or has run out; connect the calendar again") from None
        except CalendarDeferred as error:
            raise TransientError(str(error)) from None
        except CalendarRefused as error:
            raise PermanentError(str(error)) from None

    def _access(self) -> str:
        return self._secret["access"]

    def _load(self) -> None:
        with self._transaction() as conn:
            stored = connections.secret(conn, self._connection.id)
        if stored is None:
            raise self._broken("there are no tokens; connect the calendar again")
        try:
            self._secret = self._vault.unlock(stored)
        except NoLongerReadable as error:
            raise self._broken(str(error)) from None

    def _renew(self) -> None:
        if not self._secret.get("refresh"):
            raise ConsentGone("there is no refresh token")
        fresh = self._wait(lambda: self._google.refresh(self._secret["refresh"]))
        self._secret = secret_of(fresh, self._secret)
        with self._transaction() as conn:
            connections.keep_secret(conn, self._connection.id, self._vault.lock(self._secret))

    def _broken(self, why: str) -> ConnectionBroken:
        log.warning("calendar connection %s is broken: %s", self._connection.id, why)
        with self._transaction() as conn:
            connections.set_broken(conn, self._connection.id, why)
            _tell_user(conn, self._connection)
        return ConnectionBroken(why)


def _tell_user(conn: Connection, connection: Connected) -> None:
    """Only the user can mend it."""
    said = {
        "title": "Your calendar is no longer connected",
        "body": f"Connect {connection.name or 'it'} again to go on syncing.",
    }
    add_job(
        conn,
        "send_notification",
        user_id=connection.user_id,
        metadata={"channel": "in-app", "eventType": "system.announcement", "payload": said},
        dedup_key=f"calendar-broken-{connection.id}-{connection.sync_number}",
    )
