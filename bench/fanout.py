"""From commit to the browser with many browsers on one API process: one event to each at once, and a steady stream. Method: README.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from bench import api, meters, picture, servers
from bench.programs import Program, python, wait_for
from bench.programs import run as run_program
from bench.report import Report
from bench.servers import Place, Servers
from bench.sockets import Crowd
from bench.statistics import median, percentile

WAYS = {"ours": ("app.web.main", "commit"), "relay": ("bench.relay", "relay")}


@dataclass(frozen=True)
class Options:
    """Browsers, each of a user of its own; rounds of one event to each; events a second of the stream, and its seconds."""

    sockets: int = 2_000
    rounds: int = 3
    rate: int = 300
    seconds: int = 5
    say: Callable[[str], None] = lambda _line: None


def run(options: Options) -> Report:
    """Ours, read from what was committed, and emitting straight from the worker through Redis. Raises BenchError."""
    with servers.running() as both:
        results = {name: _measure(both, options, *way) for name, way in WAYS.items()}
    parts = list(results["ours"])
    bars = [
        picture.Bar(f"{name}, {part.removesuffix('_ms').replace('_', ' ')}", values[part], f"{values[part]:,.0f} ms", name == "ours")
        for part in ("stream_p99_ms", "burst_last_ms") for name, values in results.items()
    ]  # fmt: skip
    return Report(
        name="fanout",
        title=f"{options.sockets:,} browsers on one API process: an event to each, and {options.rate} events a second",
        settings={
            "sockets": options.sockets,
            "rounds": options.rounds,
            "rate": options.rate,
            "seconds": options.seconds,
        },
        header=("", *results),
        rows=[(part, *(f"{values[part]:,}" for values in results.values())) for part in parts],
        data={"results": results},
        picture=picture.bars("From commit to the browser", f"{options.sockets:,} browsers", bars),
        packages=["flask-socketio", "python-socketio"],
    )


def _measure(both: Servers, options: Options, module: str, way: str) -> dict[str, float]:
    with both.place() as place:
        program, address = api.start(place, module)
        users = api.add_users(place, options.sockets)
        (place.folder / "users.json").write_text(json.dumps(users))
        crowd = Crowd(address, users)
        try:
            connecting = crowd.connect()
            options.say(f"{way}: {options.sockets:,} connected in {connecting:.1f} s")
            bursts = [_tell(place, program, crowd, way, 0, 0) for _ in range(options.rounds)]
            streams = [_tell(place, program, crowd, way, options.rate, options.seconds) for _ in range(options.rounds)]
            memory = sum(meters.resident_mb(pid) or 0 for pid in meters.tree(program.pid))
        finally:
            crowd.close()
            program.stop()
    found = {"connect_seconds": round(connecting, 2), "api_mb": round(memory, 1)}
    for name, rounds in (("burst", bursts), ("stream", streams)):
        found |= {f"{name}_{part}": round(median([one[part] for one in rounds]), 2) for part in rounds[0]}
        options.say(
            f"{way}: {name} p50 {found[f'{name}_p50_ms']} p99 {found[f'{name}_p99_ms']} last {found[f'{name}_last_ms']} ms"
        )
    return found


def _tell(place: Place, program: Program, crowd: Crowd, way: str, rate: float, seconds: float) -> dict[str, float]:
    """Events of one round, and what they took. Raises AssertionError when one went astray."""
    crowd.heard.clear()
    before = meters.tree_seconds(program.pid)
    out = place.folder / "telling.json"
    run_program(
        python("-m", "bench.telling", way, str(rate), str(seconds), str(place.folder / "users.json"), str(out)),
        place.env(),
    )
    began = json.loads(out.read_text())
    heard = wait_for(
        "every browser hears",
        lambda: (all_of := _heard(crowd)).keys() >= began.keys() and all_of,
        [program],
        120,
        every=0.1,
    )
    cpu = (meters.tree_seconds(program.pid) - before) / len(began) * 1000
    times = [(heard[stamp] - at) * 1000 for stamp, at in began.items()]
    return {
        "p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99), "last_ms": max(times), "cpu_ms_per_event": cpu,
    }  # fmt: skip


def _heard(crowd: Crowd) -> dict[str, float]:
    moments: dict[str, float] = {}
    for user, at, event, payload in list(crowd.heard):
        if event == "postgres_changes":
            if payload["new"]["user_id"] != user:
                raise AssertionError("a browser heard another one's event")
            moments.setdefault(payload["new"]["metadata"]["stamp"], at)
    return moments
