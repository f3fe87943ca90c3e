"""The world outside: every run and every effect is a line of a file that no database transaction can take back."""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def record(path: str, what: str, key: str, **more: Any) -> None:
    """Append one line, whole, whoever else writes: `what` is run, effect or end."""
    line = json.dumps({"what": what, "key": key, "at": time.time(), "pid": os.getpid(), **more}) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


@dataclass
class Ledger:
    """What was recorded, by key."""

    runs: Counter = field(default_factory=Counter)
    effects: Counter = field(default_factory=Counter)
    ends: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Everything so far. A line that is still being written is left for the next reading."""
        ledger = cls()
        if path.exists():
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                if entry["what"] == "end":
                    ledger.ends[entry["key"]].append(entry["how"])
                else:
                    (ledger.runs if entry["what"] == "run" else ledger.effects)[entry["key"]] += 1
        return ledger
