"""A job type of one's own: counts what a user got done in a month, and leaves the report among the user's notes."""

from typing import Annotated

from pydantic import StringConstraints
from sqlalchemy import text

from app.jobs import JobMetadata, PermanentError, Result, RunningJob, job_type


class ReportMetadata(JobMetadata):
    month: Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]


class Report(Result):
    noteId: str
    tasksDone: int


@job_type("monthly_report", label="Monthly report", queue="reports", max_attempts=5)
def monthly_report(job: RunningJob[ReportMetadata]) -> Report:
    month = job.metadata.month
    if month < "2000":
        raise PermanentError(f"there is nothing to report of {month}")
    with job.transaction() as conn:
        titles = conn.execute(_DONE, {"user": job.user_id, "month": f"{month}-01"}).scalars().all()
    job.progress("writing", 50, f"{len(titles)} tasks were done")
    content = "\n".join([f"# {month}", "", *(f"- {title}" for title in titles)])
    with job.transaction() as conn:
        note = conn.execute(_WRITE, {"user": job.user_id, "content": content}).scalar_one()
    return Report(noteId=str(note), tasksDone=len(titles))


_DONE = text(
    "select title from tasks where user_id = :user and status = 'done' and completed_at >= cast(:month as date) "
    "and completed_at < cast(:month as date) + interval '1 month' order by completed_at"
)
_WRITE = text("insert into notes (user_id, content) values (:user, :content) returning id")
