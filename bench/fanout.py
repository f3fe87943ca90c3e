"""One event to each of many browsers on one API process. Method: README.md."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import api, meters, picture, servers
from bench.programs import wait_for
from bench.report import Report
from bench.servers import Servers
from bench.sockets import Crowd
from bench.statistics import median, percentile


@dataclass(frozen=True)
class Options:
    """Browsers, each of a user of its own, and rounds of one event to each."""

    sockets: int = 2_000
    rounds: int = 3
    say: Callable[[str], None] = lambda _line: None


def run(options: Options) -> Report:
    """Connect all, then add one job for each user in one statement, several times. Raises BenchError."""
    with servers.running() as both:
        connecting, memory, rounds = _measure(both, options)
    merged = {part: round(median([one[part] for one in rounds]), 1) for part in rounds[0]}
    values = {"connect_seconds": round(connecting, 2), "api_mb": round(memory, 1), **merged}
    bars = [
        picture.Bar(part, merged[part], f"{merged[part]:,.0f} ms", True) for part in ("p50_ms", "p99_ms", "last_ms")
    ]
    return Report(
        name="fanout",
        title=f"One event to each of {options.sockets:,} browsers on one API process, median of {options.rounds} rounds",
        settings={"sockets": options.sockets, "rounds": options.rounds},
        header=("", "value"),
        rows=[(name, f"{value:,}") for name, value in values.items()],
        data={"results": values, "rounds": rounds},
        picture=picture.bars("From commit to the browser", f"{options.sockets:,} browsers, one event each", bars),
        packages=["flask-socketio", "python-socketio"],
    )


def _measure(both: Servers, options: Options) -> tuple[float, float, list[dict[str, float]]]:
    with both.place() as place:
        program, address = api.start(place)
        crowd = Crowd(address, api.add_users(place, options.sockets))
        try:
            connecting = crowd.connect()
            options.say(f"{options.sockets:,} connected in {connecting:.1f} s")
            rounds = []
            for number in range(options.rounds):
                time.sleep(1)
                crowd.heard.clear()
                before = meters.tree_seconds(program.pid)
                place.conn.execute(
                    "select count(add_queue_job(id, 'other', '{}', 10, now() + interval '1 day')) from users"
                )
                committed = time.time()
                wait_for("every browser hears", lambda: len(crowd.heard) >= options.sockets, [program], 120)
                if len({user for user, *_ in crowd.heard}) != options.sockets:
                    raise AssertionError("a browser heard another one's event")
                times = [(at - committed) * 1000 for _, at, *_ in crowd.heard]
                cpu = (meters.tree_seconds(program.pid) - before) / options.sockets * 1000
                rounds.append(
                    {
                        "p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99), "last_ms": max(times),
                        "events_per_second": options.sockets / max(times) * 1000, "cpu_ms_per_event": cpu,
                    }
                )  # fmt: skip
                options.say(f"round {number + 1}: the last after {max(times):,.0f} ms")
            memory = sum(meters.resident_mb(pid) or 0 for pid in meters.tree(program.pid))
            return connecting, memory, rounds
        finally:
            crowd.close()
            program.stop()
