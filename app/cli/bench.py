"""`buildos bench`: how fast it is, side by side with others (bench/README.md)."""

from __future__ import annotations

import importlib
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


def _run(name: str, json: Path | None, svg: Path | None, **options: Any) -> None:
    """Run a benchmark and show it. The package lies beside `app` in a checkout and is no part of an installation."""
    if not (CHECKOUT / "bench" / "README.md").exists():
        raise StartError("the benchmarks need a checkout of the project")
    sys.path.insert(0, str(CHECKOUT))
    from rich.console import Console

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
