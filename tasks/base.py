"""The task every job runs as: sent by adding its row, run only with a claim."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded
from celery import Task
from celery.exceptions import Ignore
from celery.result import AsyncResult
from pydantic import BaseModel

from app import tracing
from app.logs import JOB
from app.queue.adding import add_job, to_json
from app.queue.catalog import JOB_TYPES
from app.queue.claims import Claim
from app.queue.errors import InvalidMetadata, LeaseLost, PermanentError, PutOff, TransientError, describe
from app.queue.running import RunningJob
from tasks import lease, mirror
from tasks.arguments import add_request
from tasks.engine import celery
from tasks.services import services

Processor = Callable[[RunningJob], BaseModel | dict[str, Any] | None]


class JobTask(Task):
    """A job of the catalog. Its message names a row; what is to be done stands in the row."""

    abstract = True
    is_job = True
    typing = False
    ignore_result = True
    Request = "tasks.request:JobRequest"
    # What a feature raises to say how a job ended is one line in the log; a traceback is for what nobody foresaw.
    throws = (PermanentError, TransientError)

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> AsyncResult:
        """Add the job's row; the dispatcher sends the message. Returns a result whose id is the row's.

        `delay(user_id, metadata)`, or the metadata's keys by name. Celery's `eta`, `countdown` and `priority` mean what
        `scheduled_for` and `priority` mean in `add_queue_job`; `dedup_key` is its idempotency key. Raises InvalidMetadata,
        UnknownUser, or sqlalchemy's OperationalError when the database is away: nothing is sent without its row.
        """
        request = add_request(*(args or ()), **(kwargs or {}))
        eta = options.get("eta")
        if eta is None and options.get("countdown") is not None:
            eta = datetime.now(UTC) + timedelta(seconds=options["countdown"])
        if eta is not None and eta.tzinfo is None:
            eta = eta.replace(tzinfo=UTC)
        with services().engine.begin() as conn:
            added = add_job(
                conn,
                self.name,
                **request,
                priority=options.get("priority"),
                scheduled_for=eta,
                dedup_key=options.get("dedup_key"),
            )
        return AsyncResult(str(added.id), app=self.app, task_name=self.name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the claimed job. Without a claim nothing happens: it was taken, cancelled, or the claim was not written."""
        held = mirror.claims_of(self.request.id)
        if not held:
            raise Ignore
        if len(held) > 1:
            return lease.run(self.work, held)
        try:
            return self.work(held[0])
        except LeaseLost as lost:
            raise Ignore(str(lost)) from None
        except PutOff as reason:
            mirror.put_off(held[0], reason)
            raise Ignore(str(reason)) from None

    def work(self, held: Claim) -> Any:
        """The processor's result for one claimed job, as plain JSON. Raises what it raises; LeaseLost when the job is lost."""
        JOB.set(held)  # until the run is over for Celery too: what it logs then is about this job
        if not tracing.on():
            return self._result(held)
        with tracing.span(f"run {self.name}", "consumer", **{"job.id": held.job_id, "job.type": self.name, "job.attempt": held.attempt}):
            return self._result(held)

    def _result(self, held: Claim) -> Any:
        try:
            return _checked(self.name, self.run(RunningJob(services().engine, held)))
        except SoftTimeLimitExceeded:
            raise TransientError(f"took longer than {self.soft_time_limit} s") from None


def _checked(job_type: str, result: Any) -> Any:
    """The result as plain JSON of its type's shape; a processor that returns something else has failed for good."""
    if result is None:
        return None
    model = JOB_TYPES[job_type].result
    try:
        plain = (result if isinstance(result, BaseModel) else model.model_validate(result)).model_dump(mode="json")
    except (ValueError, RecursionError) as error:
        raise InvalidMetadata("result", f"does not fit the type's model: {describe(error)}") from None
    to_json(plain, "result")
    return plain


def processor(
    job_type: str, *, soft_limit: float | None = None, hard_limit: float | None = None
) -> Callable[[Processor], JobTask]:
    """Make a function the processor of a catalogued job type: it takes the running job and returns the type's result.

    `soft_limit` and `hard_limit` (seconds) replace the catalog's. They hold under prefork; elsewhere nothing can end a run.
    """
    known = JOB_TYPES[job_type]

    def register(function: Processor) -> JobTask:
        celery.tasks.pop(job_type, None)  # a module of JOB_MODULES takes the place of ours
        return celery.task(
            function,
            name=job_type,
            base=JobTask,
            soft_time_limit=soft_limit or known.soft_limit,
            time_limit=hard_limit or known.hard_limit,
        )

    return register


def refuse(job_type: str) -> Processor:
    """The processor of a type that has none: its jobs fail at once, saying so."""

    def run(job: RunningJob) -> None:
        raise PermanentError(f"no processor is registered for {job_type} jobs")

    return run
