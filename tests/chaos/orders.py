"""What a job of the stream is told to do, and how it must end if nothing but our faults happens to it."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from typing import Any

HUGE = 3_000_000  # characters
DEEP = 600  # levels: what Postgres stores and Python's JSON reads
TOO_DEEP = 3000  # levels: what Postgres stores and Python's JSON does not

# kind: how often, of a thousand
KINDS = {
    "plain": 690,  # completes
    "long": 60,  # some seconds, looking at its lease
    "progress": 60,  # reports on the way
    "flaky": 60,  # fails once, then completes
    "refuse": 25,  # fails for good
    "hopeless": 15,  # fails every time
    "cancel": 30,  # is cancelled from outside at some moment
    "poison_child": 12,  # kills its own process every time
    "poison_main": 3,  # kills its worker every time
    "result_huge": 5,
    "result_nul": 5,
    "result_deep": 5,
    "result_object": 5,
    "result_list": 5,
    "metadata_huge": 5,
    "metadata_deep": 5,
    "metadata_too_deep": 5,
    "metadata_wrong": 5,
}
ENDS = {
    "refuse": "failed", "hopeless": "failed", "poison_child": "failed", "poison_main": "failed", "result_nul": "failed",
    "result_deep": "failed", "result_object": "failed", "result_list": "failed", "metadata_wrong": "failed",
    "metadata_too_deep": "failed",
}  # fmt: skip
REASONS = {  # a word that must stand in error_message, unless a fault of ours ended the last attempt
    "refuse": "refused", "hopeless": "hopeless", "poison_child": "died", "poison_main": "stalled", "result_nul": "NUL",
    "result_deep": "result", "result_object": "result", "result_list": "result", "metadata_wrong": "correlationId",
    "metadata_too_deep": "metadata",
}  # fmt: skip
OURS = ("stalled", "its worker process died", "OperationalError", "took longer")  # reasons that a fault leaves behind
HTTP_KINDS = ("plain", "long", "progress", "flaky")


@dataclass(frozen=True)
class Order:
    """One job: `key` is its idempotency key, `seconds` how long it works."""

    key: str
    kind: str
    seconds: float

    @property
    def end(self) -> str:
        """How it must end."""
        return ENDS.get(self.kind, "completed")

    def metadata(self) -> str:
        """As the job carries it, in JSON."""
        order = json.dumps(asdict(self))
        odd = {
            "metadata_huge": lambda: f', "filling": "{"x" * HUGE}"',
            "metadata_deep": lambda: f', "filling": {_nested_text(DEEP)}',
            "metadata_too_deep": lambda: f', "filling": {_nested_text(TOO_DEEP)}',
            "metadata_wrong": lambda: ', "correlationId": 5',
        }
        return f'{{"order": {order}{odd.get(self.kind, str)()}}}'


def _nested_text(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def nested(levels: int) -> dict[str, Any]:
    """An object in an object in an object."""
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def draw(key: str, *, kinds: tuple[str, ...] | None = None) -> Order:
    """The order of a key: the same one every time."""
    chance = random.Random(key)
    chosen = {kind: weight for kind, weight in KINDS.items() if kinds is None or kind in kinds}
    kind = chance.choices(list(chosen), list(chosen.values()))[0]
    seconds = chance.uniform(0.5, 3.0) if kind == "long" else chance.choice([0, 0, 0.01, 0.05, 0.2])
    return Order(key, kind, round(seconds, 3))
