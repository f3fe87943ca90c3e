"""Celery's worker and beat of `tasks`, started with a quarter less CPU than by the `celery` command.

    python -m app.embedded.celery worker -l INFO

takes the options of `celery -A tasks --quiet worker -l INFO` and does the same. That command first imports every subcommand that
is installed, Flower and a shell with completion among them.
"""

from __future__ import annotations

import gc
import sys

from celery import maybe_patch_concurrency


def main() -> None:
    """Run `worker` or `beat`, whichever is named first."""
    maybe_patch_concurrency()  # gevent and eventlet patch the standard library before anything else is imported
    gc.disable()  # what an import makes stays: to look through it again and again took a sixth of the start
    import click
    from celery.app.utils import find_app
    from celery.bin.base import CLIContext
    from celery.bin.beat import beat
    from celery.bin.worker import worker

    app = find_app("tasks")
    app.loader.init_worker()
    gc.freeze()
    gc.enable()
    commands = click.Group(commands={"worker": worker, "beat": beat})
    commands.main(
        sys.argv[1:], "python -m app.embedded.celery", obj=CLIContext(app, no_color=None, workdir=None, quiet=True)
    )


if __name__ == "__main__":
    main()
