"""Minutes at 70 % of what it can do: does memory stay flat, and latency? Method: README.md."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench import api, meters, picture, servers
from bench.contenders import choose
from bench.programs import BenchError, Program, python, wait_for
from bench.report import Report
from bench.servers import Place
from bench.statistics import median, percentile

SHARE = 0.7
EVERY = 5.0  # seconds between two looks
CALIBRATION = 10_000  # jobs that are added and run at the same time to find the limit
WARM = 500  # jobs before that
MOST_PACED = 350  # jobs a second that one adding process keeps up with


@dataclass(frozen=True)
class Options:
    """Minutes, and jobs a second (None: 70 % of what it did just before)."""

    minutes: float = 10
    rate: int | None = None
    say: Callable[[str], None] = lambda _line: None


@dataclass
class Series:
    """What was seen over time: (second, value) by name."""

    memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    latency: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    table: list[tuple[float, float]] = field(default_factory=list)


def run(options: Options) -> Report:
    """Run worker and API under a steady load and watch them. Raises BenchError when a process dies or falls behind."""
    limit = None
    with servers.running() as both:
        if options.rate is None:
            with _system(both) as (place, _):
                limit = _limit(place)
            options.say(f"limit {limit:,.0f} jobs/s")
        rate = options.rate or int(limit * SHARE)
        with _system(both) as (place, programs):
            series = _watch(place, programs, rate, options)
    return _report(options, rate, limit, series)


@contextmanager
def _system(both: servers.Servers) -> Iterator[tuple[Place, dict[str, Program]]]:
    """An API and a worker on a database of their own."""
    with both.place() as place:
        programs: dict[str, Program] = {}
        both.tally.reset()
        try:
            programs["api"], _ = api.start(place)
            (programs["worker"],) = choose("ours")[0].start(place)
            yield place, programs
        finally:
            for program in reversed(list(programs.values())):
                program.stop()


def _limit(place: Place) -> float:
    """Jobs a second when all that there is is spent on adding jobs one by one and on running them."""
    (user,) = api.add_users(place, 1)
    for jobs in (WARM, CALIBRATION):
        begun = place.value("select clock_timestamp()")
        for adder in _adders(place, user, jobs * 1000, 0.001, number=3):
            adder.wait()
        _wait_until_done(place)
    took = "extract(epoch from max(completed_at) - min(created_at))::float8"
    return place.value(f"select count(*) / {took} from queue_jobs where created_at > '{begun}'")


def _adders(place: Place, user: Any, rate: int, seconds: float, number: int) -> list[subprocess.Popen]:
    """Processes that add `rate` jobs a second together, for that long."""
    return [
        subprocess.Popen(
            python(
                "-m", "bench.pacing", "sql", str(rate / number), str(seconds), str(place.folder / f"soak.{one}.json")
            ),
            env=place.env(BENCH_USER=user),
        )
        for one in range(number)
    ]


def _wait_until_done(place: Place) -> None:
    wait_for(
        "the queue is empty",
        lambda: not place.value("select count(*) from queue_jobs where status <> 'completed'"),
        seconds=60,
        every=0.2,
    )


def _watch(place: Place, programs: Mapping[str, Program], rate: int, options: Options) -> Series:
    (user,) = api.add_users(place, 1)
    series, seconds = Series(), options.minutes * 60
    adders = _adders(place, user, rate, seconds, number=-(-rate // MOST_PACED))
    try:
        begun, seen = time.time(), 0.0
        while any(adder.poll() is None for adder in adders):
            time.sleep(EVERY)
            if dead := [name for name, program in programs.items() if not program.running()]:
                raise BenchError(f"the {dead[0]} ended\n{programs[dead[0]].tail()}")
            seen = _look(place, programs, series, time.time() - begun, seen)
            options.say(
                " ".join(
                    f"{name} {values[-1][1]:.0f}" for name, values in (*series.memory.items(), *series.latency.items())
                )
            )
    finally:
        for adder in adders:
            adder.kill()
            adder.wait()
    _wait_until_done(place)
    return series


def _look(place: Place, programs: Mapping[str, Program], series: Series, second: float, since: float) -> float:
    """One look; latency is that of the jobs that ended since the look before. Returns where the next one begins."""
    for name, program in programs.items():
        pids = meters.tree(program.pid)
        held = {f"{name} main": [pids[0]], f"{name} children": pids[1:]}
        for label, group in held.items():
            if sizes := [size for pid in group if (size := meters.resident_mb(pid))]:
                series.memory.setdefault(label, []).append((second, sum(sizes)))
    redis = meters.resident_mb(place.servers.redis.process.pid)
    series.memory.setdefault("redis", []).append((second, redis or 0.0))
    rows = place.conn.execute(
        "select extract(epoch from started_at - created_at)::float8 * 1000, extract(epoch from completed_at - created_at)::float8 * 1000, "
        "extract(epoch from completed_at)::float8 from queue_jobs where created_at > to_timestamp(%s) - interval '30 seconds' "
        "and completed_at > to_timestamp(%s)",
        [since, since],
    ).fetchall()
    if rows:
        for label, column in (("start", 0), ("end", 1)):
            for share in (50, 99):
                value = percentile([row[column] for row in rows], share / 100)
                series.latency.setdefault(f"{label} p{share}", []).append((second, value))
    series.table.append((second, float(place.value("select pg_total_relation_size('queue_jobs') / 1e6"))))
    return max((row[2] for row in rows), default=since)


def flatness(values: Sequence[tuple[float, float]]) -> dict[str, float]:
    """`first` and `last`: medians of the second and of the last quarter (the first warms up); `growth` their ratio."""
    quarter = max(1, len(values) // 4)
    first = median([value for _, value in values[quarter : 2 * quarter] or values[:1]])
    last = median([value for _, value in values[-quarter:]])
    return {"first": round(first, 2), "last": round(last, 2), "growth": round(last / first, 3) if first else 0.0}


def _report(options: Options, rate: int, limit: float | None, series: Series) -> Report:
    everything: dict[str, Any] = {
        name: flatness(values) for name, values in (*series.memory.items(), *series.latency.items())
    }
    rows = [
        (name, f"{one['first']:,.1f}", f"{one['last']:,.1f}", f"{one['growth']:.3f}")
        for name, one in everything.items()
    ]
    return Report(
        name="soak",
        title=f"{options.minutes:g} minutes at {rate:,} jobs/s: memory in MB, latency in ms; second against last quarter",
        settings={"minutes": options.minutes, "rate": rate, "limit": limit, "share": SHARE},
        header=("", "second quarter", "last quarter", "÷"),
        rows=rows,
        data={
            "results": everything,
            "series": {"memory_mb": series.memory, "latency_ms": series.latency, "table_mb": series.table},
        },
        picture=picture.lines(
            f"Memory at {rate:,} jobs/s", f"{options.minutes:g} minutes, MB by process", series.memory, "MB"
        ),
    )
