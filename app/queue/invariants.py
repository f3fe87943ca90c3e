"""The invariants of DESIGN 2 that data can show, checked by a read-only script on a live database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

SCRIPT = Path(__file__).with_suffix(".sql")
SHOWN = 3  # violations named in a finding


@dataclass(frozen=True)
class Finding:
    """One invariant: how many rows break it, and the first of them as `id: what is wrong`."""

    invariant: str
    violations: int
    examples: tuple[str, ...]


def check_invariants(engine: Engine, *, stalled_seconds: float, dead_seconds: float) -> list[Finding]:
    """Check every invariant, in the order of the script, within one read-only snapshot.

    `stalled_seconds` is the lease of a running job, `dead_seconds` the silence after which a worker counts as dead.
    Raises sqlalchemy's errors when the database is away or not migrated.
    """
    limits = {"stalled_seconds": stalled_seconds, "dead_seconds": dead_seconds}
    findings = []
    with engine.connect() as conn:
        conn.execute(text("set transaction isolation level repeatable read, read only"))
        for name, query in _queries():
            used = {key: value for key, value in limits.items() if f":{key}" in query}
            rows = conn.execute(text(query), used).all()
            findings.append(Finding(name, len(rows), tuple(f"{who}: {what}" for who, what in rows[:SHOWN])))
        conn.rollback()
    return findings


def _queries() -> list[tuple[str, str]]:
    """(name, query) of each invariant in the script."""
    sections = SCRIPT.read_text(encoding="utf-8").split("\n-- name: ")[1:]
    return [(name.strip(), query.strip()) for name, _, query in (section.partition("\n") for section in sections)]
