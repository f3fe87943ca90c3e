"""`buildos bench`: how fast it is, side by side with others (bench/README.md)."""

from __future__ import annotations

import importlib
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.embedded.home import CHECKOUT
from app.embedded.processes import StartError

bench = typer.Typer(name="bench", help="Measure how fast it is, side by side with others.", no_args_is_help=True)

Json = Annotated[Path | None, typer.Option("--json", help="Write the numbers here too.", metavar="FILE")]
Svg = Annotated[
    Path | None,
    typer.Option("--svg", help="Where the picture goes; else beside the JSON, or .buildos/bench/.", metavar="FILE"),
]
Rounds = Annotated[int, typer.Option(help="Rounds, of which the median counts.", min=1)]
Only = Annotated[str | None, typer.Option(help="Whom to measure, as in ours,celery*.", metavar="NAMES")]


@bench.command()
def throughput(
    jobs: Annotated[int, typer.Option(help="No-op jobs in each round.", min=100)] = 20_000,
    rounds: Rounds = 3,
    only: Only = None,
    json: Json = None,
    svg: Svg = None,
) -> None:
    """Jobs a second, CPU, statements and WAL of each, against Celery and others."""
    _run("throughput", json, svg, jobs=jobs, rounds=rounds, only=only)


@bench.command()
def latency(
    rate: Annotated[int, typer.Option(help="Jobs a second under load.", min=1)] = 300,
    seconds: Annotated[int, typer.Option(help="Seconds of each measurement.", min=1)] = 10,
    rounds: Rounds = 3,
    only: Only = None,
    json: Json = None,
    svg: Svg = None,
) -> None:
    """Milliseconds from adding a job to its start, its end and the browser."""
    _run("latency", json, svg, rate=rate, seconds=seconds, rounds=rounds, only=only)


@bench.command()
def http(
    connections: Annotated[int, typer.Option(help="Connections at the same time.", min=1)] = 32,
    seconds: Annotated[int, typer.Option(help="Seconds of each measurement.", min=1)] = 5,
    rounds: Rounds = 3,
    json: Json = None,
    svg: Svg = None,
) -> None:
    """Requests a second of the HTTP API, beside an endpoint that does nothing."""
    _run("http", json, svg, connections=connections, seconds=seconds, rounds=rounds)


@bench.command()
def fanout(
    sockets: Annotated[int, typer.Option(help="Browsers.", min=1)] = 2_000,
    rounds: Rounds = 3,
    json: Json = None,
    svg: Svg = None,
) -> None:
    """Milliseconds until each of many browsers has heard its event."""
    _run("fanout", json, svg, sockets=sockets, rounds=rounds)


@bench.command()
def growth(
    ten_million: Annotated[
        bool, typer.Option("--ten-million", help="Also 10 million rows: 15 GB of disk, half an hour.")
    ] = False,
    small: Annotated[bool, typer.Option("--small", help="Only up to 100 thousand rows.")] = False,
    json: Json = None,
    svg: Svg = None,
) -> None:
    """What the hot statements cost while the tables grow."""
    sizes = (10_000, 100_000) if small else (10_000, 1_000_000, *((10_000_000,) if ten_million else ()))
    _run("growth", json, svg, sizes=sizes)


@bench.command()
def tick(
    users: Annotated[int, typer.Option(help="Users with a brief.", min=100)] = 1_000_000,
    json: Json = None,
    svg: Svg = None,
) -> None:
    """Seconds of the hourly tick for very many users."""
    _run("tick", json, svg, users=users)


@bench.command()
def soak(
    minutes: Annotated[float, typer.Option(help="How long.", min=0.1)] = 10,
    rate: Annotated[int | None, typer.Option(help="Jobs a second; else 70 % of the limit.", min=1)] = None,
    json: Json = None,
    svg: Svg = None,
) -> None:
    """Memory and latency over minutes of steady load."""
    _run("soak", json, svg, minutes=minutes, rate=rate)


def _run(name: str, json: Path | None, svg: Path | None, **options: Any) -> None:
    """Run a benchmark and show it. The package lies beside `app` in a checkout and is no part of an installation."""
    if not (CHECKOUT / "bench" / "README.md").exists():
        raise StartError("the benchmarks need a checkout of the project")
    sys.path.insert(0, str(CHECKOUT))
    from rich.console import Console

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers and folders are cleared away then, too
    module = importlib.import_module(f"bench.{name}")
    errors = Console(stderr=True)
    try:
        report = module.run(
            module.Options(**options, say=lambda line: errors.print(line, style="dim", highlight=False, markup=False))
        )
    except ValueError as error:
        raise StartError(str(error)) from None
    report.show(Console(width=None if sys.stdout.isatty() else 150))
    picture = svg or (json.with_suffix(".svg") if json else CHECKOUT / ".buildos" / "bench" / f"{name}.svg")
    report.write(json, picture)
    print(f"picture: {picture}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(bench)
