"""Pure rules of syncing: echoes, conflicts, when next, what an event of a task says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.formats.components import midnight

ECHO = timedelta(minutes=5)  # how long a change of ours is known as ours
RENEW = timedelta(days=1)  # before its end a channel gets a successor
DEFAULT_LENGTH = timedelta(minutes=30)
WITH_CHANNEL = timedelta(hours=4)  # a channel may lose a call: looked at anyway


@dataclass(frozen=True)
class OurChange:
    """What we know of an event that we wrote: the version we made and when, and whether a later change is still to be told."""

    pushed_at: datetime | None
    etag: str | None
    remote_updated: datetime | None
    changed_at: datetime
    waiting: bool


def is_echo(ours: OurChange, etag: str | None, updated: datetime | None, now: datetime) -> bool:
    """Whether a version at Google is our own change of the last five minutes come back, or older than it.

    A change that somebody else made meanwhile has another etag and a later time: it is no echo, however soon it came.
    """
    if ours.pushed_at is None or not timedelta() <= now - ours.pushed_at < ECHO:
        return False
    if etag is not None and etag == ours.etag:
        return True
    return updated is not None and ours.remote_updated is not None and updated < ours.remote_updated


def ours_wins(ours: OurChange, updated: datetime | None) -> bool:
    """Of two changes of one event, the later holds: whether a change of ours that still waits is later than Google's."""
    return ours.waiting and (updated is None or ours.changed_at >= updated)


def shifted(start: datetime | None, due: datetime | None, begins: datetime) -> tuple[datetime | None, datetime | None]:
    """A task's (start, due) when its event begins at another time: both move by as much."""
    known = start or due
    if known is None:
        return begins, due
    by = begins - known
    return (start + by if start else None), (due + by if due else None)


def times_of(
    start: datetime | None,
    due: datetime | None,
    all_day: bool,
    zone: str,
    *,
    length: timedelta | None = None,
) -> tuple[datetime, datetime] | None:
    """When a task's event is: from its start, else from when it is due; a whole day from midnight to midnight in `zone`.

    None for a task without dates.
    """
    begins = start or due
    if begins is None:
        return None
    if all_day:
        day = begins.astimezone(ZoneInfo(zone)).date()
        return midnight(day, zone), midnight(day + timedelta(days=1), zone)
    return begins, begins + (length or DEFAULT_LENGTH)


def needs_channel(latest_end: datetime | None, now: datetime) -> bool:
    """Whether a channel is to be opened: there is none, or it ends within a day."""
    return latest_end is None or latest_end - now <= RENEW


def next_look(now: datetime, *, watched: bool, every: timedelta) -> datetime:
    """When a calendar is looked at again, should nobody call before."""
    return now + (max(WITH_CHANNEL, every) if watched else every)
