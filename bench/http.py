"""Requests a second of the endpoints that matter, beside an endpoint that does nothing. Method: README.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bench import api, picture, servers
from bench.programs import BenchError, python
from bench.programs import run as run_program
from bench.report import Report
from bench.servers import Place
from bench.statistics import median, percentile

MOST = 20_000  # requests prepared for one measurement
BULK = 1_000  # jobs in one request


@dataclass(frozen=True)
class Options:
    """Connections, seconds of each measurement, rounds."""

    connections: int = 32
    seconds: int = 5
    rounds: int = 3
    say: Callable[[str], None] = lambda _line: None


def run(options: Options) -> Report:
    """Measure all endpoints, interleaved."""
    measured: dict[str, list[dict[str, float]]] = {}
    notes: list[str] = []
    with servers.running() as both, _serving(both) as (place, ours, empty):
        (user,) = api.add_users(place, 1)
        job = str(place.value("select add_queue_job(%s, 'other', '{}', 10, now() + interval '1 day')", user))
        with_bulk = _has_bulk(ours)
        if not with_bulk:
            notes.append("POST /queue/bulk is left out: this version has no such endpoint")
        for number in range(options.rounds):
            kinds: dict[str, tuple[str, list[str]]] = {
                "nothing": (empty, ["GET /"]),
                "GET /jobs/{id}": (ours, [f"GET /jobs/{job}"]),
                "POST /queue/brief, new": (ours, _briefs(user, number)),
                "POST /queue/brief, known": (ours, _briefs(user, 0)[:1]),
            }
            if with_bulk:
                kinds["POST /queue/bulk"] = (ours, [_bulk()])
            names = list(kinds)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                result = _load(place, *kinds[name], options)
                if name == "POST /queue/bulk":
                    result["jobs"] = round(result["rate"] * BULK)
                measured.setdefault(name, []).append(result)
                options.say(f"round {number + 1}: {name} {result['rate']:,.0f}/s, p99 {result['p99']:.1f} ms")
    return _report(options, measured, notes)


@contextmanager
def _serving(both: servers.Servers) -> Iterator[tuple[Place, str, str]]:
    with both.place() as place:
        programs = []
        try:
            addresses = []
            for module in ("app.web.main", "bench.empty"):
                program, address = api.start(place, module)
                programs.append(program)
                addresses.append(address)
            yield place, *addresses
        finally:
            for program in programs:
                program.stop()


def _load(place: Place, address: str, lines: list[str], options: Options) -> dict[str, float]:
    file = place.folder / "requests"
    file.write_text("\n".join(lines))
    said = run_program(
        python("-m", "bench.load", address, str(options.connections), str(options.seconds), str(file)), place.env()
    )
    found = json.loads(said)
    if bad := {status: n for status, n in found["statuses"].items() if not status.startswith("2")}:
        raise BenchError(f"{lines[0][:60]} answered {bad}")
    times = found["latencies"]
    return {
        "rate": round(len(times) / found["seconds"], 1),
        **{f"p{share}": round(percentile(times, share / 100) * 1000, 2) for share in (50, 99)},
    }


def _briefs(user: str, number: int) -> list[str]:
    """Requests for as many dates, none of which an earlier round asked for."""
    first = date(1980, 1, 1) + timedelta(days=number * MOST)
    return [
        "POST /queue/brief " + json.dumps({"userId": user, "briefDate": (first + timedelta(days=day)).isoformat()})
        for day in range(MOST)
    ]


def _bulk() -> str:
    return "POST /queue/bulk " + json.dumps({"jobs": [{"jobType": "other", "metadata": {}}] * BULK})


def _has_bulk(address: str) -> bool:
    import urllib.request

    with urllib.request.urlopen(f"{address}/openapi.json", timeout=10) as answer:
        return "/queue/bulk" in json.load(answer)["paths"]


def _report(options: Options, measured: Mapping[str, list[dict[str, float]]], notes: list[str]) -> Report:
    results: dict[str, Any] = {
        name: {part: median([one[part] for one in rounds]) for part in rounds[0]} for name, rounds in measured.items()
    }
    rows = [
        (
            name,
            f"{one['rate']:,.0f}",
            f"{one['p50']:.1f}",
            f"{one['p99']:.1f}",
            f"{one['jobs']:,.0f}" if "jobs" in one else "",
        )
        for name, one in results.items()
    ]
    bars = [picture.Bar(name, one["rate"], f"{one['rate']:,.0f}", name != "nothing") for name, one in results.items()]
    return Report(
        name="http",
        title=f"Requests a second at {options.connections} connections, one process, median of {options.rounds} rounds",
        settings={"connections": options.connections, "seconds": options.seconds, "rounds": options.rounds},
        header=("", "requests/s", "p50 ms", "p99 ms", "jobs/s"),
        rows=rows,
        data={"results": results},
        picture=picture.bars("Requests a second", f"{options.connections} connections, one process", bars),
        packages=["gunicorn"],
        notes=notes,
    )
