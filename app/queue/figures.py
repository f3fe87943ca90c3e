"""Figures over time: how many jobs were added and how they ended, how long they waited and ran. Read from what the fold has summed up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from app.queue.reads import iso

COUNTS = {
    "added": "added",
    "completed": "completed",
    "failed": "failed",
    "retrying": "retried",
    "cancelled": "cancelled",
}
LENGTHS = {"wait": "waits", "run": "runs"}


@dataclass(frozen=True)
class Range:
    """How far back one looks, and the span of time that each figure is about."""

    step: timedelta
    length: timedelta


RANGES = {
    "hour": Range(timedelta(minutes=1), timedelta(hours=1)),
    "day": Range(timedelta(minutes=10), timedelta(days=1)),
    "week": Range(timedelta(hours=1), timedelta(days=7)),
}

_FIGURES = text(
    "select at, measure, bucket, sum(count)::bigint as count from queue_figures where span = :span and at >= :since "
    "and (cast(:job_type as text) is null or job_type::text = cast(:job_type as text)) group by 1, 2, 3"
)


def time_bounds(conn: Connection) -> list[float]:
    """The upper ends, in seconds, of the buckets in which the fold counts times; one more bucket takes what is beyond."""
    return list(conn.execute(text("select metric_bounds()")).scalar_one())


def figures(conn: Connection, wanted: Range, now: datetime, job_type: str | None = None) -> list[dict[str, Any]]:
    """One entry for each span up to `now` (aware), oldest first, empty ones too: the counts, and `waits` and `runs` as
    `{p50, p95}` in seconds, or None where no job began or ended."""
    first = _floor(now - wanted.length, wanted.step) + wanted.step
    bounds = time_bounds(conn)
    found: defaultdict[datetime, dict[tuple[str, int], int]] = defaultdict(dict)
    for row in conn.execute(_FIGURES, {"span": wanted.step.total_seconds(), "since": first, "job_type": job_type}):
        found[row.at.astimezone(UTC)][row.measure, row.bucket] = row.count
    spans = [first + wanted.step * place for place in range(int(wanted.length / wanted.step))]
    return [_shown(at, found[at], bounds) for at in spans]


def _floor(at: datetime, step: timedelta) -> datetime:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return start + (at - start) // step * step


def _shown(at: datetime, found: dict[tuple[str, int], int], bounds: Sequence[float]) -> dict[str, Any]:
    shown: dict[str, Any] = {"at": iso(at)}
    shown |= {name: found.get((measure, 0), 0) for measure, name in COUNTS.items()}
    for measure, name in LENGTHS.items():
        histogram = [found.get((measure, bucket), 0) for bucket in range(len(bounds) + 1)]
        shown[name] = (
            {"p50": percentile(histogram, bounds, 0.5), "p95": percentile(histogram, bounds, 0.95)}
            if any(histogram)
            else None
        )
    return shown


def percentile(histogram: Sequence[int], bounds: Sequence[float], share: float) -> float:
    """The seconds that this share (0 to 1) of a histogram's jobs took at most, as fine as its buckets allow. It must not be empty.

    What lies beyond the last bound counts as that bound.
    """
    wanted, below = share * sum(histogram), 0
    for bucket, count in enumerate(histogram):
        if count and below + count >= wanted:
            lower = bounds[bucket - 1] if bucket else 0.0
            upper = bounds[min(bucket, len(bounds) - 1)]
            return round(lower + (upper - lower) * (wanted - below) / count, 5)
        below += count
    raise ValueError("an empty histogram")
