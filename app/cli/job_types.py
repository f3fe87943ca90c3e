"""`buildos job-types`: which types of job there are, and what each takes and gives."""

from __future__ import annotations

from typing import Annotated

import typer

from app.embedded.processes import StartError


def job_types(
    name: Annotated[str | None, typer.Argument(help="One type, with its schemas.", metavar="TYPE")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a page of documentation.")] = False,
) -> None:
    """List the types of job, those of JOB_MODULES included."""
    from app.queue.catalog import JOB_TYPES, OURS
    from app.queue.own_types import load
    from app.queue.types_page import page, schema_lines
    from app.settings import load_settings

    load(load_settings().job_modules)
    if name is not None and name not in JOB_TYPES:
        raise StartError(f"there is no job type {name}; buildos job-types lists them")
    chosen = [JOB_TYPES[name]] if name else list(JOB_TYPES.values())
    if markdown:
        print(page(chosen), end="")
        return
    for known in chosen:
        own = "" if known.name in OURS else "  (own)"
        print(f"{known.name:<26} {known.label:<22} {known.queue:<10} {known.priority:>2}{own}")
    if name:
        for head, model in (("takes", chosen[0].metadata), ("gives", chosen[0].result)):
            print(f"\n{head}")
            for line in schema_lines(model):
                print(f"  {line}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("job-types")(job_types)
