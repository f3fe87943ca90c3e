"""From Google to us: all events first, then what changed, page by page, each page with the place where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from app.features.calendar import connections, links, repository
from app.features.calendar.account import Account
from app.features.calendar.google_events import Change, body_of, merged, read_item
from app.features.calendar.links import Link
from app.features.calendar.models import BACK, Occurrence, Window
from app.features.calendar.parsing import read_events
from app.features.calendar.run import Run
from app.features.calendar.service import store, zone_and_window
from app.features.calendar.sync_rules import is_echo, ours_wins, shifted
from app.formats.ics import Entry, read_entries
from app.formats.problems import ImportProblem, Notes
from app.formats.zones import iana_name
from app.ports.calendar import GoogleCalendar, Page, SyncTokenGone
from app.queue.errors import TransientError

RESTARTS = 2  # full syncs one run begins, should Google forget its tokens again and again


def pull(
    run: Run, account: Account, google: GoogleCalendar, sync_token: str | None, page_token: str | None
) -> str | None:
    """Read everything new since `sync_token`, going on at `page_token`. Returns the next sync token.

    Raises as `Account.call`; what was read before stays, and the next run goes on there.
    """
    restarts, resumed = 0, page_token is not None
    while True:
        if sync_token is None:
            run.result.mode = "full"
        try:
            page = _ask(run, account, google, sync_token, page_token)
        except SyncTokenGone:
            restarts += 1
            if restarts > RESTARTS:
                raise TransientError("Google forgets where we were again and again") from None
            sync_token = page_token = None
            resumed = False
            with run.transaction() as conn:
                connections.set_place(conn, run.connection.id, sync_token=None, page_token=None)
            continue
        with run.transaction() as conn:
            _take(conn, run, page, sync_token, first=page_token is None)
        run.result.pages += 1
        run.job.progress("reading", 90 - 80 / (run.result.pages + 1), f"Read {run.result.pages} pages of your calendar")
        if page.page_token:
            page_token = page.page_token
            continue
        sync_token, page_token = page.sync_token, None
        if not resumed:
            return sync_token
        resumed = False  # what changed since that list was begun is not in it


def _ask(run: Run, account: Account, google: GoogleCalendar, sync_token: str | None, page_token: str | None) -> Page:
    # The same in every run of a month: a list that was cut off can only be gone on with under the same conditions.
    since = (run.now - BACK).astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    calendar_id = run.connection.calendar_id
    return account.call(
        lambda access: google.changes(access, calendar_id, sync_token=sync_token, page_token=page_token, since=since)
    )


def _take(conn: Connection, run: Run, page: Page, sync_token: str | None, *, first: bool) -> None:
    connection, full = run.connection, sync_token is None
    if full and first:
        connections.forget_seen(conn, connection.id)
    seen = apply(conn, run, page)
    if full:
        connections.note_seen(conn, connection.id, seen)
    if page.page_token:
        connections.set_place(conn, connection.id, sync_token=sync_token, page_token=page.page_token)
        return
    connections.set_place(conn, connection.id, sync_token=page.sync_token, page_token=None)
    if full:
        for link in links.unseen(conn, connection.id, connection.origin.prefix):
            links.delete(conn, link.id)
        run.result.removed += connections.drop_unseen(conn, connection.id)
        connections.forget_seen(conn, connection.id)


def apply(conn: Connection, run: Run, page: Page) -> list[str]:
    """Write what a page says, where it says something new. Returns the ids (ours) that it mentions."""
    connection, prefix = run.connection, run.connection.origin.prefix
    user_zone, window = zone_and_window(conn, connection.user_id, run.now)
    calendar_zone = iana_name(page.timezone or connection.timezone) or user_zone
    changes, seen = [], set()
    for number, item in enumerate(page.items, start=1):
        try:
            changes.append(read_item(item, number, calendar_zone, prefix))
            seen.add(prefix + changes[-1].group)
        except ImportProblem as problem:
            run.notes.problems.append(problem)
            seen.add(f"{prefix}{item.get('recurringEventId') or item.get('id')}")  # what it said before stays
    known = links.by_remote(conn, connection.id, [change.remote_id for change in changes])
    _drop(conn, run, [change for change in changes if change.entry is None], known)
    accepted = []
    groups: dict[str, list[Entry]] = {}
    for change in changes:
        if change.entry is None:
            continue
        if link := known.get(change.remote_id):
            event = _alone(change.entry, user_zone, window)
            if not _is_for_us(conn, run, link, change, event):
                continue
            accepted.append((link, change, event))
        groups.setdefault(prefix + change.group, []).append(change.entry)
    for link, _, event in accepted:
        _move(conn, link, event)
    stored = repository.stored_series(conn, connection.user_id, list(groups))
    entries: list[Entry] = []
    for group, incoming in groups.items():
        entries += merged(read_entries(stored[group], Notes()) if group in stored else (), incoming)
    events = read_events(entries, user_zone, window, run.notes)
    # A series whose new version cannot be read keeps its old one.
    events = [event for event in events if event.complete or event.external_id not in stored]
    run.count(store(conn, connection.user_id, events, window, connection.origin))
    for link, change, event in accepted:
        if event is not None:
            event_id = links.event_id(conn, connection.user_id, prefix + change.remote_id)
            links.heard(conn, link, change.etag, change.updated, body_of(event), event_id)
    seen.update(o.external_id for event in events if not event.complete for o in event.occurrences)
    return sorted(seen)


def _drop(conn: Connection, run: Run, gone: Sequence[Change], known: dict[str, Link]) -> None:
    """Events that were deleted at Google. A task leaves the calendar with its event, and stays as it is."""
    for change in gone:
        if link := known.get(change.remote_id):
            links.delete(conn, link.id)
    prefix = run.connection.origin.prefix
    run.result.removed += connections.drop_events(conn, run.connection, [prefix + change.remote_id for change in gone])


def _alone(entry: Entry, zone: str, window: Window) -> Occurrence | None:
    """The event of a task, unless it repeats by now or cannot be read (which is reported with the others)."""
    events = read_events([entry], zone, window, Notes())
    return events[0].occurrences[0] if events and events[0].ics is None and events[0].occurrences else None


def _is_for_us(conn: Connection, run: Run, link: Link, change: Change, event: Occurrence | None) -> bool:
    """Whether Google's word on the event of a task holds: not our own change come back, not older than one that waits."""
    if is_echo(link.as_rule(), change.etag, change.updated, run.now):
        run.result.skipped += 1
        return False
    if link.sync_status == "deleting":
        return False
    if ours_wins(link.as_rule(), change.updated):
        links.overruled(conn, link, change.etag, change.updated, body_of(event) if event else None)
        run.result.skipped += 1
        return False
    return True


def _move(conn: Connection, link: Link, event: Occurrence | None) -> None:
    task = links.task(conn, link.task_id) if link.task_id and event else None
    if task is None or event is None:
        return
    start, due = shifted(task.start_date, task.due_date, event.start_time)
    links.move_task(conn, task.id, event.title, start, due, event.all_day)


def instant(value: object) -> datetime | None:
    """A time as Google writes it; None for anything else."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
