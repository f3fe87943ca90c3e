"""A real API process of ours to measure."""

from __future__ import annotations

import re
from uuid import UUID

from bench.programs import Program, python, wait_for
from bench.servers import Place


def start(place: Place, module: str = "app.web.main") -> tuple[Program, str]:
    """Start it on a free port; returns it and its address."""
    program = Program(
        python("-m", module), place.env(PORT="0", LOG_LEVEL="INFO"), place.folder / f"{module}.{id(place)}.log"
    )
    found = wait_for(
        "the API listens", lambda: re.search(r"listening on (http://\S+)", program.log.read_text()), [program], 90, 0.05
    )
    return program, found[1]


def add_users(place: Place, number: int) -> list[str]:
    """That many users; their ids."""
    rows = place.conn.execute(
        "insert into users (email) select 'bench' || n || '@example.com' from generate_series(1, %s) n returning id",
        [number],
    )
    return [str(UUID(str(row[0]))) for row in rows]
