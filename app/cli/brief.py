"""`buildos brief`: a daily brief, now, with every step on the way."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer

from app.embedded.processes import StartError

PATIENCE = 900.0  # seconds
NOBODY = 3.0  # seconds a job waits before we look whether there is a worker at all


def brief(
    user: Annotated[str, typer.Option(help="Address of the user.", metavar="EMAIL")],
    date: Annotated[
        str | None, typer.Option(help="Day of the brief; today where the user lives by default.", metavar="YYYY-MM-DD")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.", min=1)] = PATIENCE,
) -> None:
    """Make a user's daily brief now, show its steps, print it."""
    from app.cli.connection import find_system
    from app.cli.following import Follower
    from app.client import ClientError

    system = find_system()
    user_id = system.user_id(user)
    client = system.client()
    try:
        with Follower(client, user_id, system.token) as follower:
            queued = client.queue_brief(str(user_id), brief_date=date, force_immediate=True)
            if queued.deduplicated and client.job(queued.jobId).status == "completed":
                # What is stored was made from the data of then: whoever asks now wants today's.
                queued = client.queue_brief(str(user_id), brief_date=queued.briefDate, force_regenerate=True)
            _follow(follower, client, queued.jobId, timeout)
        made = client.user_brief(str(user_id), queued.briefDate)
    except ClientError as error:
        raise StartError(error.message) from None
    _print(made.summary_content or "")


def _follow(follower, client, job_id: str, timeout: float) -> None:
    """Show the job's steps. Raises StartError unless it completes."""
    import time

    from app.cli.progress import Progress

    begun, asked = time.monotonic(), False
    with Progress() as progress:
        try:
            for job in follower.follow(job_id, timeout):
                progress.show(job.progress.current, _line(job))
                if job.status == "pending" and not asked and time.monotonic() - begun > NOBODY:
                    asked = True
                    if client.health().checks.workers == "away":
                        progress.note("no worker is running; the job waits for one (buildos start worker)")
        except TimeoutError:
            raise StartError(f"not finished after {timeout:g} s; it goes on: buildos jobs show {job_id}") from None
        except KeyboardInterrupt:
            raise StartError(f"no longer watched; it goes on: buildos jobs show {job_id}") from None
    if job.status == "failed":
        raise StartError(f"the brief failed: {job.error_message}; try again: buildos jobs retry {job_id}")
    if job.status == "cancelled":
        raise StartError("the brief was cancelled")


def _line(job) -> str:
    if job.status == "retrying":
        again = job.scheduled_for.astimezone()
        return f"attempt {job.attempts} of {job.max_attempts} failed ({job.error_message}); again at {again:%H:%M:%S}"
    if job.status == "pending":
        later = job.scheduled_for > datetime.now(job.scheduled_for.tzinfo)
        return f"waiting until {job.scheduled_for.astimezone():%Y-%m-%d %H:%M}" if later else "waiting for a worker"
    return job.progress.message if job.progress.message != job.status else "a worker has begun"


def _print(markdown: str) -> None:
    """For people as a page, into a pipe or a file as the markdown it is."""
    if not sys.stdout.isatty():
        print(markdown)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(markdown))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(brief)
