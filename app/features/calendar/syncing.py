"""The job `sync_calendar`: bring a connected calendar and ours into agreement (CONTRACT 4, 8.7)."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine

from app.features.calendar import connections
from app.features.calendar.account import Account, ConnectionBroken
from app.features.calendar.connections import Channel, Connected
from app.features.calendar.parsing import read_events
from app.features.calendar.pulling import pull
from app.features.calendar.pushing import push
from app.features.calendar.rules import external_id, uid_of
from app.features.calendar.run import Run, Superseded
from app.features.calendar.service import store, zone_and_window
from app.features.calendar.sync_rules import needs_channel, next_look
from app.features.calendar.vault import NoLongerReadable, Vault, digest
from app.formats.ics import Entry, name_of, read_entries
from app.formats.problems import ImportProblem
from app.formats.text import decode
from app.ports.calendar import CalendarDeferred, CalendarRefused, EventGone, Feeds, GoogleCalendar
from app.ports.clock import Clock
from app.queue.errors import PermanentError, TransientError
from app.queue.models import CalendarSyncMetadata, CalendarSyncResult
from app.queue.running import RunningJob
from app.settings import is_loopback

log = logging.getLogger(__name__)

WEBHOOK = "/api/webhooks/google-calendar"
ROUNDS = 3  # of reading and writing, while somebody else changes the same events


class CalendarSync:
    """Syncs connections. `feed_every` and `poll_every` say how often one is looked at that nobody asks for."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        google: GoogleCalendar,
        feeds: Feeds,
        vault: Vault | None,
        *,
        public_url: str | None,
        feed_every: timedelta,
        poll_every: timedelta,
        channel_id: Callable[[], UUID] = uuid4,
    ) -> None:
        self._engine, self._clock = engine, clock
        self._google, self._feeds, self._vault = google, feeds, vault
        self._address = _callable(public_url)
        self._feed_every, self._poll_every = feed_every, poll_every
        self._channel_id = channel_id

    def sync(self, job: RunningJob) -> CalendarSyncResult:
        """Run the job. Raises TransientError, PermanentError, LeaseLost, and what the database raises."""
        metadata: CalendarSyncMetadata = job.metadata
        if self._vault is None:
            raise PermanentError("CALENDAR_TOKEN_KEY is not set")
        run = self._begin(job, metadata.calendarId)
        try:
            if run.connection.provider == "feed":
                self._feed(run)
            else:
                self._google_calendar(run, metadata.syncToken)
        except Superseded:
            return run.finished(mode="superseded")
        return run.finished()

    def failed(self, conn: Connection, user_id: UUID | None, calendar_id: object, message: str) -> None:
        """Note with the connection, in the transaction that records a failure, why it is not up to date."""
        found = connections.named(conn, user_id, calendar_id) if user_id and isinstance(calendar_id, str) else None
        if found is not None and found.status == "active":
            connections.set_error(conn, found.id, message)

    def _begin(self, job: RunningJob, calendar_id: str) -> Run:
        now = self._clock.now()
        with job.transaction() as conn:
            found = connections.named(conn, job.user_id, calendar_id) if job.user_id else None
            if found is None:
                raise PermanentError("calendarId: there is no such connection")
            if found.status == "broken":
                raise PermanentError(f"the calendar must be connected again: {found.error}")
            every = self._feed_every if found.provider == "feed" else self._poll_every
            begun = connections.begin_run(conn, found.id, found.user_id, now + every)
        result = CalendarSyncResult(connectionId=str(found.id), provider=found.provider, mode="incremental")
        return Run(job, begun or found, now, result)

    def _google_calendar(self, run: Run, sync_token: str | None) -> None:
        account = Account(self._google, self._vault, self._clock, run.connection, run.transaction, run.wait)
        account.open()
        token, page = run.connection.sync_token, run.connection.page_token
        if sync_token is not None:
            token, page = sync_token, None
        for _ in range(ROUNDS):
            token, page = pull(run, account, self._google, token, page), None
            if push(run, account, self._google):
                break
        else:
            raise TransientError("the same events are being changed at Google all the time")
        watched = self._keep_watch(run, account)
        with run.transaction() as conn:
            connections.set_done(
                conn, run.connection.id, run.now, next_look(run.now, watched=watched, every=self._poll_every)
            )

    def _keep_watch(self, run: Run, account: Account) -> bool:
        """Open a channel where there is none, or before the last one ends. Whether Google will call us."""
        with run.transaction() as conn:
            # What has ended is forgotten, or the tick would ask for its successor again and again.
            connections.drop_ended(conn, run.connection.id, run.now)
            old = connections.channels(conn, run.connection.id)
        if self._address is None:
            return False
        latest = max((each.expires_at for each in old if each.expires_at), default=None)
        if not needs_channel(latest, run.now):
            return True
        channel_id, token = self._channel_id(), secrets.token_urlsafe(32)
        with run.transaction() as conn:
            connections.add_channel(conn, channel_id, run.connection.id, digest(token), run.now)
        try:
            watching = account.call(
                lambda access: self._google.watch(
                    access, run.connection.calendar_id, channel_id=str(channel_id), token=token, address=self._address
                )
            )
        except ConnectionBroken:
            raise
        except (PermanentError, EventGone) as error:  # a calendar that cannot be watched is looked at
            log.info("calendar connection %s cannot be watched: %s", run.connection.id, error)
            with run.transaction() as conn:
                connections.drop_channels(conn, [channel_id])
            return latest is not None and latest > run.now
        with run.transaction() as conn:
            connections.confirm_channel(conn, channel_id, watching.resource_id, watching.expires_at)
        run.result.channelRenewed = True
        self._stop(run, account, old)
        return True

    def _stop(self, run: Run, account: Account, old: list[Channel]) -> None:
        """The new channel calls: the old ones need not. One that cannot be stopped ends by itself, and its calls are refused."""
        for each in old:
            if each.resource_id and each.expires_at and each.expires_at > run.now:
                try:
                    account.call(
                        lambda access, each=each: self._google.stop(
                            access, channel_id=str(each.id), resource_id=each.resource_id
                        )
                    )
                except (TransientError, PermanentError) as error:
                    log.info("channel %s was not stopped: %s", each.id, error)
        with run.transaction() as conn:
            connections.drop_channels(conn, [each.id for each in old])

    def _feed(self, run: Run) -> None:
        connection = run.connection
        with run.transaction() as conn:
            kept = connections.secret(conn, connection.id)
        try:
            url = self._vault.unlock(kept or "")["url"]
        except NoLongerReadable as error:
            with run.transaction() as conn:
                connections.set_broken(conn, connection.id, str(error))
            raise ConnectionBroken(str(error)) from None
        try:
            fetched = run.wait(
                lambda: self._feeds.fetch(url, etag=connection.etag, last_modified=connection.last_modified)
            )
        except CalendarDeferred as error:
            raise TransientError(str(error)) from None
        except CalendarRefused as error:
            raise PermanentError(str(error)) from None
        if fetched.body is None:
            run.result.mode = "unchanged"
        else:
            run.result.mode, run.result.pages = "full", 1
            self._read_feed(run, fetched.body, fetched.headers)
        with run.transaction() as conn:
            connections.set_done(
                conn, connection.id, run.now, next_look(run.now, watched=False, every=self._feed_every)
            )

    def _read_feed(self, run: Run, body: bytes, headers: dict[str, str]) -> None:
        connection = run.connection
        try:
            entries = [
                _prefixed(entry, connection)
                for entry in read_entries(decode(body), run.notes)
                if entry.kind == "VEVENT"
            ]
        except ImportProblem as problem:
            raise PermanentError(f"the feed {problem.message}") from None
        run.job.progress("reading", 50, f"Reading {len(entries)} events")
        with run.transaction() as conn:
            zone, window = zone_and_window(conn, connection.user_id, run.now)
            events = read_events(entries, zone, window, run.notes)
            run.count(store(conn, connection.user_id, events, window, connection.origin))
            if not run.notes.problems:  # else what is missing may be there all the same
                seen = {event.external_id for event in events}
                seen |= {o.external_id for event in events if not event.complete for o in event.occurrences}
                connections.forget_seen(conn, connection.id)
                connections.note_seen(conn, connection.id, sorted(seen))
                run.result.removed += connections.drop_unseen(conn, connection.id)
                connections.forget_seen(conn, connection.id)
            named = entries[0].calendar.name if entries else None
            connections.set_described(conn, connection.id, named if connection.name is None else None, None)
            connections.set_version(conn, connection.id, headers.get("etag"), headers.get("last-modified"))


def _prefixed(entry: Entry, connection: Connected) -> Entry:
    """The entry under an id of this connection's own."""
    uid = f"UID:{connection.origin.prefix}{external_id(uid_of(entry))}"
    return replace(entry, lines=(entry.lines[0], uid, *(line for line in entry.lines[1:] if name_of(line) != "UID")))


def _callable(public_url: str | None) -> str | None:
    """The address that Google calls: https, or this machine's own (for tests)."""
    parts = urlsplit(public_url or "")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return f"{public_url}{WEBHOOK}"
    return None
