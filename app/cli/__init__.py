"""`buildos`: the one command for people (CONTRACT 12).

Each subject is a module with a function `register(app)`; it is imported when the program starts, so whatever is slow to
import is imported inside the commands.
"""

from __future__ import annotations

import sys

import typer

from app.cli import alive, bench, brief, doctor, import_files, job_types, jobs, keys, running, services
from app.embedded.processes import StartError
from app.settings import SettingsError

app = typer.Typer(
    name="buildos",
    help="A distributed job system behind an app.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _module in (running, services, import_files, brief, jobs, job_types, keys, doctor, alive, bench):
    _module.register(app)


def main() -> None:
    """The console script. What can be said in one line ends in one line and exit code 1."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal that lacks a character is no reason to fail
    try:
        app()
    except (StartError, SettingsError) as error:
        print(f"buildos: {error}", file=sys.stderr)
        sys.exit(1)
