"""What is found in the end, held against what was promised."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.ledger import Ledger
from tests.chaos.orders import OURS, REASONS
from tests.chaos.stream import ACCEPTED, REFUSED, Entry

PROMISES = ("jobs lost", "jobs in a wrong or half state", "refused, yet there", "completions written twice", "effects twice", "effects missing", "events missed, heard twice or astray", "invariants broken")  # fmt: skip


@dataclass
class Verdict:
    """Counts of everything, and each broken promise in words."""

    counts: Counter = field(default_factory=Counter)
    broken: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in PROMISES})

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not any(self.broken.values())

    def blame(self, promise: str, words: str) -> None:
        """Note a broken promise."""
        self.broken[promise].append(words)


ROWS = """
    select coalesce(metadata -> 'order' ->> 'key', user_id || '/' || (metadata ->> 'briefDate')) as key, id::text, status::text,
           attempts, max_attempts, error_message, fencing_token, result ->> 'key' as result_key, result ->> 'attempt' as result_attempt,
           job_type::text
    from queue_jobs
"""
COMPLETED_TWICE = "select job_id::text from job_events where \"to\" = 'completed' group by 1 having count(*) > 1"
EFFECTS = "select key, count(*) from drill_effects group by key"


def judge(conn: Any, entries: list[Entry], ledger: Ledger, invariants: list[str]) -> Verdict:
    """Compare what the clients were answered, the rows, and the world outside. `conn` is psycopg's, on a quiet system."""
    verdict = Verdict()
    rows: dict[str, list[Any]] = {}
    cursor = conn.execute(ROWS)
    names = [column.name for column in cursor.description]
    for row in cursor:
        found = dict(zip(names, row, strict=True))
        rows.setdefault(found["key"], []).append(found)
    effects = dict(conn.execute(EFFECTS).fetchall())
    for entry in entries:
        _judge_entry(verdict, entry, rows.get(entry.order.key, []), effects.get(entry.order.key, 0), ledger)
    for (job_id,) in conn.execute(COMPLETED_TWICE):
        verdict.blame("completions written twice", job_id)
    for key, times in effects.items():
        if times > 1:
            verdict.blame("effects twice", f"{key}: {times}")
    for words in invariants:
        verdict.blame("invariants broken", words)
    verdict.counts["runs"] = sum(ledger.runs.values())
    verdict.counts["outside calls"] = sum(ledger.effects.values())
    verdict.counts["outside calls repeated (same key)"] = sum(n - 1 for n in ledger.effects.values())
    return verdict


def _judge_entry(verdict: Verdict, entry: Entry, rows: list[dict], effects: int, ledger: Ledger) -> None:
    order = entry.order
    verdict.counts[f"{entry.via} {entry.answer}"] += 1
    if entry.said == "500":
        verdict.blame("jobs in a wrong or half state", f"{order.key}: answered 500")
    if entry.answer == REFUSED:
        if rows:
            verdict.blame("refused, yet there", f"{order.key}: {entry.said}")
        return
    if not rows:
        if entry.answer == ACCEPTED:
            verdict.blame("jobs lost", f"{order.key} ({entry.via}, {order.kind})")
        return
    if len(rows) > 1:
        verdict.blame("jobs in a wrong or half state", f"{order.key}: {len(rows)} rows")
    row = rows[0]
    verdict.counts["jobs"] += 1
    verdict.counts[row["status"]] += 1
    if entry.again is not None and entry.again != entry.job_id:
        verdict.blame("jobs in a wrong or half state", f"{order.key}: a second job under one idempotency key")
    if wrong := _wrong(verdict, entry, row):
        verdict.blame("jobs in a wrong or half state", f"{order.key} ({order.kind}, {row['id']}): {wrong}")
    if row["status"] == "completed" and order.end == "completed" and (effects == 0 or ledger.effects[order.key] == 0):
        verdict.blame("effects missing", f"{order.key}: {effects} inside, {ledger.effects[order.key]} outside")


def _wrong(verdict: Verdict, entry: Entry, row: dict) -> str:
    """What is wrong with the end of a job, or nothing."""
    order, status, why = entry.order, row["status"], row["error_message"] or ""
    if status not in ("completed", "failed", "cancelled"):
        return f"it is {status}"
    if entry.cancelled is True and status != "cancelled" or status == "cancelled" and order.kind != "cancel":
        return f"it is {status}, cancelled was {entry.cancelled}"
    if status == "cancelled":
        return ""
    if (
        status == "completed"
        and row["job_type"] == "other"
        and order.kind != "result_huge"
        and row["result_key"] != order.key
    ):
        return "its result is another one's"
    if status == order.end and (status == "completed" or REASONS[order.kind] in why):
        return ""
    if status == "failed" and row["attempts"] == row["max_attempts"] and any(reason in why for reason in OURS):
        verdict.counts["given up after max_attempts faults"] += 1
        return ""
    return f"it is {status} after {row['attempts']} of {row['max_attempts']}: {why[:200]}"
