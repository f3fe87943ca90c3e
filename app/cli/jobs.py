"""`buildos jobs`: look at jobs, cancel and retry them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer

from app.embedded.processes import StartError

JobId = Annotated[str, typer.Argument(help="The jobId or the uuid.", metavar="JOB")]

jobs = typer.Typer(name="jobs", help="Look at jobs, cancel and retry them; by itself, count them.", invoke_without_command=True)


@jobs.callback()
def counts(context: typer.Context) -> None:
    """Look at jobs, cancel and retry them; by itself, count them."""
    if context.invoked_subcommand is None:
        list_jobs(user=None, type=None, status=None, limit=20)


@jobs.command("list")
def list_jobs(
    user: Annotated[str | None, typer.Option(help="Whose jobs; without it the counts of all.", metavar="EMAIL")] = None,
    type: Annotated[str | None, typer.Option(help="One type of job.", metavar="TYPE")] = None,
    status: Annotated[str | None, typer.Option(help="One state.", metavar="STATUS")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=100)] = 20,
) -> None:
    """List a user's jobs, newest first, or count everybody's."""
    system, client = _system()
    if user is None:
        counts = _said(client.queue_stats)
        counts = [row for row in counts if type in (None, row.job_type) and status in (None, row.status)]
        _table(("TYPE", "STATUS", "JOBS"), [(row.job_type, row.status, str(row.count)) for row in counts])
        return
    page = _said(lambda: client.user_jobs(str(system.user_id(user)), type=type, status=status, limit=limit))
    rows = [
        (job.queue_job_id, job.job_type, job.status, _local(job.scheduled_for), job.error_message or _percent(job))
        for job in page.jobs
    ]
    _table(("JOB", "TYPE", "STATUS", "SCHEDULED", ""), rows)


@jobs.command()
def show(job: JobId) -> None:
    """Show a job and its history."""
    _, client = _system()
    found, events = _said(lambda: (client.job(job), client.job_events(job)))
    facts = {
        "job": found.queue_job_id,
        "id": found.id,
        "user": found.user_id,
        "type": found.job_type,
        "status": f"{found.status}  {_percent(found)}".strip(),
        "scheduled": _local(found.scheduled_for),
        "attempts": f"{found.attempts} failed of {found.max_attempts}",
        "priority": found.priority,
        "error": found.error_message,
        "result": found.result,
    }
    for name, value in facts.items():
        if value is not None:
            print(f"{name:<10} {value}")
    print()
    rows = [
        (_local(e.at), e.from_ or "", e.to or "gone", str(e.attempt or ""), e.worker or "", e.message or "")
        for e in events
    ]
    _table(("WHEN", "FROM", "TO", "RUN", "WORKER", "MESSAGE"), rows)


@jobs.command()
def cancel(job: JobId) -> None:
    """Cancel a job that has not ended."""
    _, client = _system()
    print(f"{_said(lambda: client.cancel_job(job)).jobId} is cancelled")


@jobs.command()
def retry(job: JobId) -> None:
    """Run a failed or cancelled job again, as a new job."""
    _, client = _system()
    print(f"queued as {_said(lambda: client.retry_job(job)).jobId}")


def _system():
    from app.cli.connection import find_system

    system = find_system()
    return system, system.client()


def _said(call: Callable):
    """The answer of the API. Raises StartError with its words when it refuses."""
    with _errors():
        return call()


@contextmanager
def _errors():
    from app.client import ClientError

    try:
        yield
    except ClientError as error:
        raise StartError(error.message) from None


def _percent(job) -> str:
    return f"{job.progress.current:.0f} % {job.progress.message}" if job.status == "processing" and job.progress else ""


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    rows = [head, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(jobs)
