"""What every fault has: a way to break something, a while, a way to mend it."""

from __future__ import annotations

import random

from tests.chaos.fleet import Fleet, Member


class NotHere(Exception):
    """The system under test has nothing that this fault could break."""


class Fault:
    """One fault: `inject`, wait `hold` seconds, `heal`. `long` is how long the worst ones take in this campaign, in seconds."""

    hold = 1.0

    def __init__(self, fleet: Fleet, chance: random.Random, long: float):
        self.fleet = fleet
        self.chance = chance
        self.long = long

    @property
    def name(self) -> str:
        return type(self).__doc__.split("\n")[0].rstrip(".")

    def inject(self) -> None:
        """Break something."""

    def heal(self) -> None:
        """Mend it, where it does not mend itself."""

    def any(self, kind: str) -> Member:
        """One of the members of a kind. Raises NotHere where the system under test has none."""
        if not self.fleet.of(kind):
            raise NotHere
        return self.chance.choice(self.fleet.of(kind))
