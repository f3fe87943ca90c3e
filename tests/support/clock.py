"""A clock that stands still until it is set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass
class FixedClock:
    """`time` may be changed by the test."""

    time: datetime

    def now(self) -> datetime:
        return self.time
