"""What a type of job of your own is made of: one decorated function in a module that JOB_MODULES names (docs/howto/add-a-job-type.md).

    from app.jobs import JobMetadata, Result, RunningJob, job_type

    class ReportMetadata(JobMetadata):
        month: str

    class Report(Result):
        tasks: int

    @job_type("monthly_report", label="Monthly report", queue="reports")
    def monthly_report(job: RunningJob[ReportMetadata]) -> Report: ...

That is all: workers run it, the API and SQL take it, its metadata is checked, `GET /job-types`, the console and
`buildos job-types` show it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import signature
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from app.queue.catalog import JobType, Upcast
from app.queue.errors import InvalidMetadata, LeaseLost, PermanentError, PutOff, TransientError
from app.queue.models import JobMetadata, OpenResult
from app.queue.models import Model as Result
from app.queue.own_types import register
from app.queue.running import RunningJob

__all__ = [
    "InvalidMetadata", "JobMetadata", "LeaseLost", "PermanentError", "PutOff", "Result", "RunningJob", "TransientError", "job_type",
]  # fmt: skip

F = TypeVar("F", bound=Callable[[Any], Any])


def job_type(
    name: str,
    *,
    label: str | None = None,
    queue: str = "upkeep",
    priority: int = 5,
    max_attempts: int = 3,
    give_up_on: tuple[type[Exception], ...] = (),
    soft_limit: int = 240,
    hard_limit: int = 300,
    leasable: bool = False,
    needs_user: bool = True,
    provider: str | None = None,
    upcasts: tuple[Upcast, ...] = (),
) -> Callable[[F], F]:
    """Make a function the processor of a new type of job. It takes `RunningJob[YourMetadata]` and returns a model or nothing.

    `name` is what callers send; `label` what people read. `queue` is the family of types a worker can choose with `-Q`; a new name
    makes a new one. `priority` (1 = highest) is the default over HTTP. A run that raises is tried again with backoff, `max_attempts`
    runs in all, unless it raises PermanentError or one of `give_up_on`. `soft_limit` and `hard_limit` are seconds: at the first the
    run is asked to stop, at the second its process is ended. Short jobs (below 50 ms) may be `leasable`: many share a message.
    `needs_user`: whether a job must belong to a user; one that need not is for the service key alone. `provider` (llm, sms, mail):
    whose limits hold for it too. `upcasts`: functions that make older metadata into those of today (docs/upgrading.md).

    The function itself is returned as it was, to be called by your tests. Raises ValueError when the type cannot be.
    """

    def decorate(function: F) -> F:
        metadata, result = _models(name, function)

        @functools.wraps(function)
        def run(job: RunningJob) -> Any:
            try:
                return function(job)
            except give_up_on as error:
                raise PermanentError(str(error) or type(error).__name__) from error

        register(
            JobType(
                name,
                label or name.replace("_", " ").capitalize(),
                queue,
                metadata,
                result,
                priority,
                soft_limit,
                hard_limit,
                max_attempts,
                needs_user,
                leasable,
                run=run if give_up_on else function,
                provider=provider,
                upcasts=upcasts,
            )
        )
        return function

    return decorate


def _models(name: str, function: Callable[[Any], Any]) -> tuple[type[BaseModel], type[BaseModel]]:
    """What the function says it takes and returns."""
    hints = get_type_hints(function)
    result = hints.pop("return", type(None))
    taken = [hints.get(parameter) for parameter in signature(function).parameters]
    metadata = get_args(taken[0])[0] if len(taken) == 1 and get_origin(taken[0]) is RunningJob else None
    if not _is_model(metadata, JobMetadata):
        raise ValueError(f"{name}: the function takes one `job: RunningJob[M]`, where M is a JobMetadata")
    if result is type(None):
        return metadata, OpenResult
    if not _is_model(result, BaseModel):
        raise ValueError(f"{name}: the function returns a model, or None")
    return metadata, result


def _is_model(hint: Any, base: type[BaseModel]) -> bool:
    return isinstance(hint, type) and issubclass(hint, base)
