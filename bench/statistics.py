"""Medians, percentiles and paired ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of them do not exceed. Raises ValueError when there is none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle one, or the mean of the two in the middle. Raises ValueError when there is none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """The median of the ratios of the rounds, each taken within its round: what slows a whole round down slows both.

    None when they have no round in common.
    """
    pairs = [mine / other for mine, other in zip(ours, theirs, strict=False) if other]
    return median(pairs) if pairs else None


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """`{p50, p95, p99, n}` of durations given in seconds; the percentiles in milliseconds."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {name: round(percentile(seconds, share) * 1000, 3) for name, share in shares.items()} | {"n": len(seconds)}
