"""Calendars in and out of the database: import a file, expand series further when a later day is needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from app.features.calendar import repository
from app.features.calendar.models import FILE, CalendarChanges, Event, Origin, Window
from app.features.calendar.parsing import read_events
from app.formats.counts import Counts
from app.formats.ics import Entry, read_entries
from app.formats.problems import ImportProblem, Notes
from app.formats.zones import iana_name

STRIDE = timedelta(days=90)  # expanded beyond the day that is needed, so that the next days find it done


def import_events(
    conn: Connection, user_id: UUID, entries: Sequence[Entry], now: datetime, notes: Notes, origin: Origin = FILE
) -> CalendarChanges:
    """Store the events among `entries` in the caller's transaction; `now` (aware) is the middle of the window.

    Importing the same entries again changes nothing; changed ones are updated; occurrences that a series no longer has
    are removed. An event that a later file does not mention stays: files may be parts. Raises ImportProblem for an unknown user.
    """
    zone, window = zone_and_window(conn, user_id, now)
    events = read_events(entries, zone, window, notes)
    # Single occurrences of a series that came earlier belong into it.
    stored = repository.stored_series(conn, user_id, [event.external_id for event in events if not event.complete])
    for event in [event for event in events if not event.complete and event.external_id in stored]:
        earlier = read_entries(stored[event.external_id], notes)
        events += read_events([*earlier, *event.entries], zone, window, notes)
    events = [event for event in events if event.complete or event.external_id not in stored]
    return store(conn, user_id, events, window, origin)


def zone_and_window(conn: Connection, user_id: UUID, now: datetime) -> tuple[str, Window]:
    """The user's zone, the user locked, and the span in which his series are expanded. Raises ImportProblem as import_events."""
    zone, window = _zone(conn, user_id), Window.around(now)
    if (further := repository.furthest_expansion(conn, user_id)) and further > window.stop:
        window = Window(window.start, further)  # what was needed later stays
    return zone, window


def store(
    conn: Connection, user_id: UUID, events: Sequence[Event], window: Window, origin: Origin = FILE
) -> CalendarChanges:
    """Write these events in the caller's transaction, only what has changed; the rest of the user's calendar stays."""
    series = [event for event in events if event.ics]
    singles = [event for event in events if not event.ics]
    changes = CalendarChanges()
    former = repository.drop_former_series(conn, user_id, [e.external_id for e in singles if e.complete])
    changes.events, made_way = repository.store_series(conn, user_id, series, window.stop, origin)
    vanished = repository.drop_vanished(conn, user_id, series, window.start)
    rows = [(o, event.external_id) for event in series for o in event.occurrences]
    changes.occurrences = repository.store_occurrences(conn, user_id, rows, origin)
    single_rows = [(o, None) for event in singles for o in event.occurrences]
    alone = repository.store_occurrences(conn, user_id, single_rows, origin)
    changes.events += alone
    changes.occurrences += alone + Counts(removed=former + made_way + vanished)
    return changes


def ensure_expanded(conn: Connection, user_id: UUID, until: datetime) -> int:
    """Expand the user's series up to `until` (aware) where they are not yet; returns how many occurrences were added.

    Belongs into the caller's transaction; costs one indexed read when nothing is to do. An unknown user has no series.
    """
    if not repository.any_behind(conn, user_id, until):
        return 0
    # The user is locked before the series, as an import does: the other way round the two could wait for each other.
    zone, stop, notes = _zone(conn, user_id), until + STRIDE, Notes()
    behind = repository.series_behind(conn, user_id, until)
    rows = []
    for external_id, ics, expanded_until in behind:
        for event in read_events(read_entries(ics, notes), zone, Window(expanded_until, stop), notes):
            rows += [(occurrence, external_id) for occurrence in event.occurrences]
    repository.set_expanded(conn, user_id, [item[0] for item in behind], stop)
    return repository.store_occurrences(conn, user_id, rows).added


def _zone(conn: Connection, user_id: UUID) -> str:
    stored = repository.user_zone(conn, user_id)
    if stored is None:
        raise ImportProblem("the user is unknown")
    return iana_name(stored) or "UTC"
