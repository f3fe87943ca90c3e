"""How many no-op jobs a second come through, end to end, and what each one costs. Method: README.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import meters, picture, servers
from bench.contenders import Contender, choose
from bench.programs import BenchError, Program, wait_for
from bench.report import Report
from bench.servers import Place, Servers
from bench.statistics import median, paired_ratio

WARM = 0.1  # share of the jobs that are done before the clock starts


@dataclass(frozen=True)
class Options:
    """Number of jobs, rounds, and which contenders (`ours,celery*`; None for all)."""

    jobs: int = 20_000
    rounds: int = 3
    only: str | None = None
    say: Callable[[str], None] = lambda _line: None


def run(options: Options) -> Report:
    """Measure everybody, interleaved. Raises ValueError for an unknown contender."""
    wanted = choose(options.only)
    notes = [f"{c.name} is left out: {c.package} is not installed" for c in wanted if c.version() is None]
    present = [c for c in wanted if c.version() is not None]
    measured: dict[str, list[dict[str, Any]]] = {c.name: [] for c in present}
    with servers.running() as both:
        for number in range(options.rounds):
            # Everybody follows everybody once in a while: what one leaves in caches does not always meet the same neighbour.
            turn = number % len(present) if present else 0
            for contender in present[turn:] + present[:turn]:
                try:
                    result = measure(both, contender, max(100, int(options.jobs * contender.share)))
                except BenchError as error:
                    notes.append(f"{contender.name}, round {number + 1}: {str(error).splitlines()[0]}")
                    options.say(f"{contender.name}: {error}")
                    measured[contender.name].append({})
                    continue
                measured[contender.name].append(result)
                options.say(f"round {number + 1}: {contender.name} {result['rate']:,.0f} jobs/s")
    return _report(options, present, measured, notes)


def measure(both: Servers, contender: Contender, jobs: int) -> dict[str, Any]:
    """One contender, once: fill the queue, start its programs, watch it drain. Raises BenchError when it does not."""
    with both.place(migrated=contender.migrated) as place:
        contender.prepare(place)
        adding = contender.fill(place, jobs)
        both.tally.reset()
        cold = Moment.now(place, [])
        programs = contender.start(place)
        try:
            return {"add_rate": round(jobs / adding, 1), **_drain(place, contender, programs, jobs, cold)}
        finally:
            for program in programs:
                program.stop()


@dataclass(frozen=True)
class Moment:
    """When, how many jobs had run, and all counters."""

    at: float
    ran: int
    reading: meters.Reading

    @classmethod
    def now(cls, place: Place, programs: Sequence[Program]) -> Moment:
        """This moment."""
        return cls(time.perf_counter(), place.servers.tally.count(), meters.read(place, programs))


def _drain(place: Place, contender: Contender, programs: Sequence[Program], jobs: int, cold: Moment) -> dict[str, Any]:
    tally = place.servers.tally
    patience = 60 + jobs / 20
    wait_for(f"{contender.name} begins", lambda: tally.count() >= max(1, jobs * WARM), programs, 120)
    begin = Moment.now(place, programs)
    wait_for(f"{contender.name} runs all jobs", lambda: tally.count() >= jobs, programs, patience)
    wait_for(f"{contender.name} settles all jobs", lambda: contender.left(place) == 0, programs, patience)
    end = Moment.now(place, programs)
    if end.ran != jobs:
        raise BenchError(f"{contender.name} ran {end.ran} times for {jobs} jobs")
    if begin.ran > jobs / 2:
        begin = (
            cold  # through before the clock could start: the start of the programs counts, then, to their disadvantage
        )
    drained, seconds = jobs - begin.ran, end.at - begin.at
    return {
        "rate": round(drained / seconds, 1),
        "seconds": round(seconds, 3),
        **end.reading.since(begin.reading, drained),
    }


def summarise(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The medians of one contender's rounds; those that failed are empty and left out."""
    good = [one for one in rounds if one]
    if not good:
        return {"rate": None, "rates": []}
    middle = {
        key: median([one[key] for one in good]) for key in ("rate", "add_rate", "statements", "brackets", "wal_bytes")
    }
    cpu = {part: round(median([one["cpu_ms"][part] for one in good]), 3) for part in (*meters.PARTS, "total")}
    return {**middle, "rates": [one["rate"] for one in good], "cpu_ms": cpu}


def ratios(measured: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """`default_lane` and `leases`: ours ÷ stock Celery; `db_backend`: ours ÷ Celery with results in Postgres; `peers`: each ÷ stock Celery.

    So everything but `db_backend` is in units of stock Celery on Redis without results. None for what was not measured.
    """

    def against(name: str, other: str = "celery") -> float | None:
        rates = [[one.get("rate") or 0 for one in measured.get(who, ())] for who in (name, other)]
        found = paired_ratio(*rates)
        return None if found is None else round(found, 3)

    peers = {name: against(name) for name in measured if not name.startswith("ours") and name != "celery"}
    return {
        "default_lane": against("ours"),
        "leases": against("ours-leases"),
        "db_backend": against("ours", "celery-db"),
        "events": against("ours-events", "ours"),
        "peers": peers,
    }


def _report(
    options: Options, present: Sequence[Contender], measured: Mapping[str, list[dict[str, Any]]], notes: list[str]
) -> Report:
    results = {c.name: {"about": c.about, **summarise(measured[c.name])} for c in present}
    found = ratios(measured)
    shown = [c for c in present if results[c.name]["rate"]]
    rows = [_row(c, results[c.name], results.get("celery", {}).get("rate")) for c in shown]
    bars = [
        picture.Bar(c.name, results[c.name]["rate"], f"{results[c.name]['rate']:,.0f}", c.ours)
        for c in sorted(shown, key=lambda c: -results[c.name]["rate"])
    ]
    return Report(
        name="throughput",
        title=f"Draining {options.jobs:,} no-op jobs, median of {options.rounds} interleaved rounds",
        settings={"jobs": options.jobs, "rounds": options.rounds, "concurrency": 2, "only": options.only},
        header=(
            "",
            "jobs/s",
            "÷ celery",
            "min–max",
            "added/s",
            "main",
            "children",
            "Postgres",
            "Redis",
            "CPU ms",
            "stmts",
            "WAL B",
        ),
        rows=rows,
        data={"results": results, "ratios": found},
        picture=picture.bars(
            "No-op jobs a second", f"{options.jobs:,} jobs, 2 processes, median of {options.rounds}", bars
        ),
        packages=[c.package for c in present],
        notes=[
            *notes,
            "CPU in ms a job by process; statements without begin and commit; ours includes history, events, counters, RLS.",
        ],
    )


def _row(contender: Contender, result: Mapping[str, Any], stock: float | None) -> tuple[str, ...]:
    cpu = result["cpu_ms"]
    return (
        contender.name,
        f"{result['rate']:,.0f}",
        f"{result['rate'] / stock:.2f}" if stock else "",
        f"{min(result['rates']):,.0f}–{max(result['rates']):,.0f}",
        f"{result['add_rate']:,.0f}",
        *(f"{cpu[part]:.3f}" for part in (*meters.PARTS, "total")),
        f"{result['statements']:.2f}" if contender.postgres else "",
        f"{result['wal_bytes']:,.0f}" if contender.postgres else "",
    )
