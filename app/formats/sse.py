"""Server-sent events: one event as text, and a stream of lines as events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

HEARTBEAT = ": heartbeat\n\n"
"""A comment: keeps proxies from closing a silent line, and is no event."""


def frame(name: str, data: Any) -> str:
    """One event. The data is JSON on one line, so nothing inside it can end the event or begin another."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def events(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(name, data) of each whole event; comments and unknown fields are passed over, as is one that was cut off."""
    name, data = "message", []
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                yield name, "\n".join(data)
            name, data = "message", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
