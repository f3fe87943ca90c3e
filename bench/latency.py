"""How long a job takes from being added to its start, its end, and the browser; idle and under load. Method: README.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import api, picture, servers
from bench.contenders import Contender, choose
from bench.programs import BenchError, python, wait_for
from bench.programs import run as run_program
from bench.report import Report
from bench.servers import Place, Servers
from bench.sockets import Crowd
from bench.statistics import median, summary

IDLE_RATE = 10.0  # jobs a second: each finds nothing before it
WAYS = {"ours-sql": ("ours", "sql"), "ours-http": ("ours", "http"), "celery": ("celery",) * 2, "procrastinate": ("procrastinate",) * 2,
        "pgqueuer-10": ("pgqueuer-10", "pgqueuer")}  # fmt: skip
STAGES = ("start", "end", "browser")


@dataclass(frozen=True)
class Options:
    """Rounds, jobs a second under load, seconds of each measurement, and who (`ours-sql,celery`; None for all)."""

    rounds: int = 3
    rate: int = 300
    seconds: int = 10
    only: str | None = None
    say: Callable[[str], None] = lambda _line: None


def run(options: Options) -> Report:
    """Measure everybody, interleaved. Raises ValueError for an unknown name."""
    names = [part.strip() for part in options.only.split(",")] if options.only else list(WAYS)
    if unknown := [name for name in names if name not in WAYS]:
        raise ValueError(f"nobody is called {unknown[0]}; there are {', '.join(WAYS)}")
    contenders = {name: choose(WAYS[name][0])[0] for name in names}
    notes = [f"{name} is left out: it is not installed" for name, c in contenders.items() if c.version() is None]
    present = [name for name in names if contenders[name].version() is not None]
    loads = {"idle": IDLE_RATE, f"{options.rate}/s": float(options.rate)}
    measured: dict[str, dict[str, list[dict[str, Any]]]] = {name: {load: [] for load in loads} for name in present}
    with servers.running() as both:
        for number in range(options.rounds):
            turn = number % len(present)
            for name in present[turn:] + present[:turn]:
                try:
                    found = measure(both, contenders[name], WAYS[name][1], loads, options.seconds)
                except BenchError as error:
                    notes.append(f"{name}, round {number + 1}: {str(error).splitlines()[0]}")
                    options.say(f"{name}: {error}")
                    continue
                for load, result in found.items():
                    measured[name][load].append(result)
                    options.say(f"round {number + 1}: {name} {load} {_short(result.get('start'))}")
    return _report(options, measured, [contenders[name].package for name in present], notes)


def measure(
    both: Servers, contender: Contender, way: str, loads: Mapping[str, float], seconds: int
) -> dict[str, dict[str, Any]]:
    """One contender, once, at each load. Raises BenchError."""
    with both.place(migrated=contender.migrated) as place:
        contender.prepare(place)
        both.tally.reset()
        programs, crowd, extra = [], None, {}
        try:
            if contender.ours:
                program, address = api.start(place)
                programs.append(program)
                (user,) = api.add_users(place, 1)
                crowd = Crowd(address, [user])
                crowd.connect()
                extra = {"BENCH_USER": user, "BENCH_API": address}
            programs += contender.start(place)
            _warm(place, contender, way, extra, programs)
            return {load: _paced(place, contender, way, rate, seconds, extra, crowd) for load, rate in loads.items()}
        finally:
            if crowd is not None:
                crowd.close()
            for program in reversed(programs):
                program.stop()


def _warm(place: Place, contender: Contender, way: str, extra: Mapping[str, str], programs: Sequence) -> None:
    _add(place, contender, way, 20, 1, extra)
    wait_for(f"{contender.name} runs its first jobs", lambda: place.servers.tally.count() >= 20, programs, 90)
    wait_for(f"{contender.name} settles them", lambda: contender.left(place) == 0, programs, 30)


def _add(
    place: Place, contender: Contender, way: str, rate: float, seconds: float, extra: Mapping[str, str]
) -> dict[str, float]:
    out = place.folder / "paced.json"
    env = place.env(**contender.env, **extra)
    run_program(python("-m", "bench.pacing", way, str(rate), str(seconds), str(out)), env, seconds * 10 + 120)
    return json.loads(out.read_text())


def _paced(
    place: Place,
    contender: Contender,
    way: str,
    rate: float,
    seconds: int,
    extra: Mapping[str, str],
    crowd: Crowd | None,
) -> dict[str, Any]:
    if contender.ours:  # the keys are used again
        place.conn.execute("delete from queue_jobs")
    place.servers.tally.reset()
    if crowd is not None:
        crowd.heard.clear()
    added = _add(place, contender, way, rate, seconds, extra)
    tally = place.servers.tally
    wait_for(f"{contender.name} runs all at {rate:.0f}/s", lambda: tally.count() >= len(added), seconds=120)
    begun = tally.begun()
    found: dict[str, Any] = {"start": summary([begun[key] - at for key, at in added.items()])}
    if contender.ours:
        wait_for("all end", lambda: contender.left(place) == 0, seconds=60)
        ended = _ends(place, way)
        rows = {row for row, _ in ended.values()}
        seen = wait_for(
            "the browser hears of all", lambda: (heard := _seen(crowd)).keys() >= rows and heard, seconds=60, every=0.1
        )
        found["end"] = summary([ended[key][1] - at for key, at in added.items()])
        found["browser"] = summary([seen[ended[key][0]] - at for key, at in added.items()])
    return found


def _ends(place: Place, way: str) -> dict[str, tuple[str, float]]:
    """By key: the row's id and when it was completed."""
    key = "metadata ->> 'briefDate'" if way == "http" else "metadata ->> 'stamp'"
    rows = place.conn.execute(f"select {key}, id::text, extract(epoch from completed_at)::float8 from queue_jobs")
    return {row[0]: (row[1], row[2]) for row in rows}


def _seen(crowd: Crowd) -> dict[str, float]:
    """When the browser heard of each row's end."""
    return {
        payload["new"]["id"]: at
        for _, at, event, payload in list(crowd.heard)
        if event == "postgres_changes"
        and payload["table"] == "queue_jobs"
        and (payload["new"] or {}).get("status") == "completed"
    }


def _report(options: Options, measured: Mapping[str, Any], packages: Sequence[str], notes: list[str]) -> Report:
    results: dict[str, Any] = {}
    for name, loads in measured.items():
        for load, rounds in loads.items():
            for stage in STAGES:
                if values := [one[stage] for one in rounds if stage in one]:
                    results.setdefault(name, {}).setdefault(load, {})[stage] = {
                        part: round(median([value[part] for value in values]), 2) for part in ("p50", "p95", "p99")
                    }
    rows, bars = [], []
    for name, loads in results.items():
        for load, stages in loads.items():
            rows.append((f"{name}, {load}", *(_short(stages.get(stage)) for stage in STAGES)))
            bars.append(
                picture.Bar(
                    f"{name}, {load}",
                    stages["start"]["p99"],
                    f"{stages['start']['p99']:.1f} ms",
                    name.startswith("ours"),
                )
            )
    return Report(
        name="latency",
        title=f"From add to start, end and browser: p50 / p95 / p99 in ms, median of {options.rounds} rounds",
        settings={"rounds": options.rounds, "rate": options.rate, "idle_rate": IDLE_RATE, "seconds": options.seconds},
        header=("", *STAGES),
        rows=rows,
        data={"results": results},
        picture=picture.bars("From add to start, p99 in ms", f"median of {options.rounds} rounds", bars),
        packages=packages,
        notes=notes,
    )


def _short(stage: Mapping[str, float] | None) -> str:
    return " / ".join(f"{stage[part]:.1f}" for part in ("p50", "p95", "p99")) if stage else ""
