"""SQL of the calendar: set-based, whatever the number of events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

from sqlalchemy import Connection, text

from app.features.calendar.models import FILE, Event, Occurrence, Origin
from app.formats.counts import Counts

CHUNK = 5000  # rows in one statement

_UPSERT_SERIES = text("""
    with incoming as (
        select * from jsonb_to_recordset(cast(:rows as jsonb)) as r(external_id text, ics text)
    ), before as (
        select s.external_id, s.ics from calendar_series s join incoming r using (external_id) where s.user_id = :user_id
    ), written as (
        insert into calendar_series (user_id, external_id, ics, expanded_until, sync_source, connection_id)
        select :user_id, external_id, ics, :until, :source, cast(:connection_id as uuid) from incoming
        on conflict (user_id, external_id) do update
        set ics = excluded.ics, expanded_until = greatest(calendar_series.expanded_until, excluded.expanded_until)
        where calendar_series.ics <> excluded.ics or calendar_series.expanded_until < excluded.expanded_until
    )
    select count(*) filter (where b.external_id is null) as added,
           count(*) filter (where b.ics <> r.ics) as updated,
           count(*) filter (where b.ics = r.ics) as unchanged
    from incoming r left join before b using (external_id)
""")

_UPSERT_EVENTS = text("""
    with incoming as (
        select * from jsonb_to_recordset(cast(:rows as jsonb)) as r(
            external_id text, series text, title text, description text, location text,
            start_time timestamptz, end_time timestamptz, all_day boolean, timezone text, status text)
    ), written as (
        insert into calendar_events as e (user_id, series_id, external_id, title, description, location,
            start_time, end_time, all_day, timezone, status, sync_source, connection_id)
        select :user_id, s.id, r.external_id, r.title, r.description, r.location,
            r.start_time, r.end_time, r.all_day, r.timezone, r.status, coalesce(s.sync_source, :source),
            coalesce(s.connection_id, cast(:connection_id as uuid))
        from incoming r
        left join calendar_series s on s.user_id = :user_id and s.external_id = r.series
        on conflict (user_id, external_id) do update
        set series_id = excluded.series_id, title = excluded.title, description = excluded.description,
            location = excluded.location, start_time = excluded.start_time, end_time = excluded.end_time,
            all_day = excluded.all_day, timezone = excluded.timezone, status = excluded.status,
            sync_source = excluded.sync_source, connection_id = excluded.connection_id
        where (e.series_id, e.title, e.description, e.location, e.start_time, e.end_time, e.all_day, e.timezone, e.status)
            is distinct from (excluded.series_id, excluded.title, excluded.description, excluded.location,
            excluded.start_time, excluded.end_time, excluded.all_day, excluded.timezone, excluded.status)
        returning xmax = 0 as added
    )
    select count(*) filter (where added) as added, count(*) filter (where not added) as updated from written
""")

# Occurrences of these series from `start` on that are no longer among `kept`.
_DELETE_VANISHED = text("""
    delete from calendar_events e using calendar_series s
    where s.id = e.series_id and s.user_id = :user_id and s.external_id = any(cast(:series as text[]))
      and e.start_time >= :start
      and not exists (select from unnest(cast(:kept as text[])) as k(external_id) where k.external_id = e.external_id)
""")

_DELETE_FORMER_SERIES = text("""
    with former as (
        delete from calendar_series where user_id = :user_id and external_id = any(cast(:ids as text[])) returning id
    )
    select count(*) from calendar_events where series_id in (select id from former)
""")

_DELETE_FORMER_SINGLES = text("""
    delete from calendar_events
    where user_id = :user_id and series_id is null and external_id = any(cast(:ids as text[]))
""")

_STORED_SERIES = text("""
    select external_id, ics from calendar_series
    where user_id = :user_id and external_id = any(cast(:ids as text[])) for update
""")

_FURTHEST = text("select max(expanded_until) from calendar_series where user_id = :user_id")

_ANY_BEHIND = text("""
    select exists (select from calendar_series where user_id = :user_id and expanded_until < :until)
""")

_BEHIND = text("""
    select external_id, ics, expanded_until from calendar_series
    where user_id = :user_id and expanded_until < :until order by external_id for update
""")

_SET_EXPANDED = text("""
    update calendar_series set expanded_until = greatest(expanded_until, :until)
    where user_id = :user_id and external_id = any(cast(:ids as text[]))
""")

# Locked: two imports for one user wait for each other instead of meeting in the middle.
_USER_ZONE = text("select timezone from users where id = :user_id for no key update")


def user_zone(conn: Connection, user_id: UUID) -> str | None:
    """The user's time zone as stored, the user locked until the transaction ends; None for an unknown user."""
    return conn.execute(_USER_ZONE, {"user_id": user_id}).scalar()


def furthest_expansion(conn: Connection, user_id: UUID) -> datetime | None:
    """How far the user's series have been expanded, at most."""
    return conn.execute(_FURTHEST, {"user_id": user_id}).scalar()


def stored_series(conn: Connection, user_id: UUID, ids: Sequence[str]) -> dict[str, str]:
    """`external_id` → ics of those that exist, locked until the transaction ends."""
    rows = conn.execute(_STORED_SERIES, {"user_id": user_id, "ids": list(ids)})
    return {row.external_id: row.ics for row in rows}


def any_behind(conn: Connection, user_id: UUID, until: datetime) -> bool:
    """Whether the user has a series that is not yet expanded to `until`. Locks nothing."""
    return conn.execute(_ANY_BEHIND, {"user_id": user_id, "until": until}).scalar_one()


def series_behind(conn: Connection, user_id: UUID, until: datetime) -> list[tuple[str, str, datetime]]:
    """(external_id, ics, expanded_until) of the series not yet expanded to `until`, locked."""
    return [tuple(row) for row in conn.execute(_BEHIND, {"user_id": user_id, "until": until})]


def set_expanded(conn: Connection, user_id: UUID, ids: Sequence[str], until: datetime) -> None:
    """Note that these series are expanded to `until`."""
    conn.execute(_SET_EXPANDED, {"user_id": user_id, "ids": list(ids), "until": until})


def store_series(
    conn: Connection, user_id: UUID, events: Sequence[Event], until: datetime, origin: Origin = FILE
) -> tuple[Counts, int]:
    """Write the series among `events`; returns what changed, and how many rows of single events made way for them."""
    counts = Counts()
    rows = [{"external_id": event.external_id, "ics": event.ics} for event in events]
    for chunk in _chunks(rows, CHUNK // 10):
        values = {"user_id": user_id, "rows": json.dumps(chunk), "until": until, **origin.values()}
        row = conn.execute(_UPSERT_SERIES, values).one()
        counts += Counts(row.added, row.updated, row.unchanged)
    ids = [event.external_id for event in events]
    return counts, conn.execute(_DELETE_FORMER_SINGLES, {"user_id": user_id, "ids": ids}).rowcount


def drop_former_series(conn: Connection, user_id: UUID, ids: Sequence[str]) -> int:
    """Remove series that now happen once; returns how many occurrences went with them."""
    return conn.execute(_DELETE_FORMER_SERIES, {"user_id": user_id, "ids": list(ids)}).scalar_one()


def store_occurrences(
    conn: Connection, user_id: UUID, rows: Iterable[tuple[Occurrence, str | None]], origin: Origin = FILE
) -> Counts:
    """Write occurrences, each with the external id of its series or None; those of a series have its origin.

    The last of two with one id holds.
    """
    unique = {occurrence.external_id: _row(occurrence, series) for occurrence, series in rows}
    counts = Counts()
    for chunk in _chunks(unique.values(), CHUNK):
        row = conn.execute(_UPSERT_EVENTS, {"user_id": user_id, "rows": json.dumps(chunk), **origin.values()}).one()
        counts += Counts(row.added, row.updated, len(chunk) - row.added - row.updated)
    return counts


def drop_vanished(conn: Connection, user_id: UUID, events: Sequence[Event], start: datetime) -> int:
    """Remove the occurrences from `start` on that these series no longer have; returns how many."""
    values = {
        "user_id": user_id,
        "series": [event.external_id for event in events],
        "kept": [occurrence.external_id for event in events for occurrence in event.occurrences],
        "start": start,
    }
    return conn.execute(_DELETE_VANISHED, values).rowcount


def _row(occurrence: Occurrence, series: str | None) -> dict:
    times = {"start_time": occurrence.start_time.isoformat(), "end_time": occurrence.end_time.isoformat()}
    return {**vars(occurrence), **times, "series": series}


def _chunks(rows: Iterable[dict], size: int) -> Iterator[list[dict]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, size)):
        yield chunk
