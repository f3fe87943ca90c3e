"""Arithmetic of what an import did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counts:
    """What an import did to one kind of rows."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.added + other.added,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.removed + other.removed,
        )
