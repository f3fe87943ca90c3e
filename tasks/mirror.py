"""Signal handlers that keep `queue_jobs` equal to what Celery does.

    Celery says                              the row becomes
    -----------------------------------------------------------------------------------------------------
    prerun                                   processing: claimed with the dispatch, else now; without a claim nothing runs
    SUCCESS                                  completed
    FAILURE, worth another attempt           retrying, or failed at the last attempt
    FAILURE, for good                        failed
    RETRY raised by a processor              retrying, or failed at the last attempt
    RETRY of a run that a stop ended         pending, not charged an attempt
    REVOKED by an operator                   cancelled
    IGNORED, REJECTED                        nothing: the row already says why

Celery swallows what a handler raises. So the base task looks for the claim before it runs anything, and an outcome that cannot
be written leaves the row `processing`, where the sweep for stalled jobs finds it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from app.queue import claims
from app.queue.adding import add_job, to_json
from app.queue.claims import Claim, Outcome
from app.queue.errors import TransientError, describe, is_retryable
from app.queue.steering import cancel_job
from app.settings import get_settings
from tasks import outcomes
from tasks.services import services

log = logging.getLogger(__name__)
T = TypeVar("T")

_held: dict[str, Claim] = {}  # by Celery task id: the claims of this process
worker_name = "worker"  # of the worker this process belongs to; set before it forks


def claim_of(task_id: str) -> Claim | None:
    """The claim this process holds for a Celery task."""
    return _held.get(task_id)


def connect() -> None:
    """Connect the handlers; calling it again changes nothing."""
    signals.task_prerun.connect(_claim, dispatch_uid="buildos")
    signals.task_postrun.connect(_forget, dispatch_uid="buildos")
    signals.task_success.connect(_complete, dispatch_uid="buildos")
    signals.task_failure.connect(_fail, dispatch_uid="buildos")
    signals.task_retry.connect(_retry, dispatch_uid="buildos")
    signals.task_revoked.connect(_revoke, dispatch_uid="buildos")


def _is_job(task: Any) -> bool:
    from tasks.base import JobTask

    return isinstance(task, JobTask)


def _claim(sender: Any, task_id: str, kwargs: dict[str, Any], args: Any = (), **_: Any) -> None:
    if not _is_job(sender):
        return
    job_id = kwargs.get("job_id") if not args and set(kwargs) == {"job_id"} else None
    held = getattr(sender.request, "claim", None)
    if held is not None:
        _held[task_id] = held
        return
    held = _write(lambda conn: claims.claim(conn, UUID(job_id or _adopt(conn, sender, task_id, args, kwargs)), task_id, worker_name))
    if held is not None:
        _held[task_id] = held


def _adopt(conn: Connection, task: Any, task_id: str, args: Any, kwargs: dict[str, Any]) -> str:
    """A message that another Celery client sent without a row: it gets one, once however often it is delivered."""
    from tasks.base import add_request

    return str(add_job(conn, task.name, **add_request(*args, **kwargs), dedup_key=f"celery-{task_id}").id)


def _forget(task_id: str, **_: Any) -> None:
    _held.pop(task_id, None)


def _complete(sender: Any, result: Any, **_: Any) -> None:
    held = _held.get(sender.request.id) if _is_job(sender) else None
    if held is None:
        return
    outcome = Outcome(held.id, held.token, None if result is None else to_json(result, "result"))
    if not outcomes.send(outcome):
        complete([outcome])


def complete(ended: Sequence[Outcome]) -> None:
    """Write what ended well, in one statement. A result that Postgres refuses fails its own job and no other."""
    try:
        written = _write(lambda conn: claims.complete_many(conn, ended))
    except DBAPIError as error:
        if len(ended) > 1:
            for outcome in ended:
                complete([outcome])
            return
        message = f"the result could not be stored: {describe(error.orig or error)}"
        written = _write(lambda conn: {o.id for o in ended if claims.fail(conn, o, message, retry=False)})
    for outcome in ended:
        if outcome.id not in written:
            log.warning("job %s was no longer ours: its result is discarded", outcome.id)


def _fail(sender: Any, task_id: str, exception: BaseException, kwargs: dict[str, Any] | None = None, **_: Any) -> None:
    if not _is_job(sender):
        return
    held = _held.get(task_id) or _claim_in_database(kwargs, task_id)
    if held is not None:
        record_failure(held, _plain(exception))


def _plain(exception: BaseException) -> BaseException:
    if isinstance(exception, TimeLimitExceeded):
        return TransientError(f"took longer than {exception.args[0]} s and was ended")
    if isinstance(exception, WorkerLostError):
        return TransientError(f"its worker process died: {exception}")
    return exception


def _retry(sender: Any, request: Any, reason: Any = None, **_: Any) -> None:
    if not _is_job(sender):
        return
    held = _held.get(request.id)
    if held is not None:
        record_failure(held, TransientError(describe(reason.exc) if getattr(reason, "exc", None) else str(reason)))
        return
    held = _claim_in_database(request.kwargs, request.id)
    if held is not None:
        _write(lambda conn: claims.release(conn, held, "handed back: its worker stopped"))


def _revoke(sender: Any, request: Any, terminated: bool = False, **_: Any) -> None:
    if not _is_job(sender) or "job_id" not in (request.kwargs or {}):
        return
    held = _claim_in_database(request.kwargs, request.id)
    # A run that was ended may have lost its job to another one: only a job that is still its own is cancelled.
    if held is not None or not terminated:
        _write(lambda conn: cancel_job(conn, UUID(request.kwargs["job_id"]), "revoked"))


def record_failure(held: Claim, error: BaseException) -> None:
    """Write the failure of a run, and what its feature has to say of it, in one transaction."""
    retry = is_retryable(error)
    message = describe(error)

    def write(conn: Connection) -> bool:
        written = claims.fail(conn, held, message, retry=retry)
        if written:
            tell_feature(conn, held, message, final=claims.is_last(held, retry=retry))
        return written

    if not _write(write):
        log.warning("job %s was no longer ours: its failure is not recorded: %s", held.id, message)


def tell_feature(conn: Connection, held: Claim, message: str, *, final: bool) -> None:
    """Let the job's feature note the failure in the same transaction. What goes wrong there is logged and undone alone."""
    note = services().failure_notes.get(held.job_type)
    if note is None:
        return
    try:
        with conn.begin_nested():
            note(conn, held, message, final)
    except Exception:
        log.exception("the failure of job %s could not be noted by its feature", held.id)


def _claim_in_database(kwargs: dict[str, Any] | None, task_id: str) -> Claim | None:
    """The claim of a run that another process of this worker had."""
    job_id = (kwargs or {}).get("job_id")
    if job_id is None:
        return None
    return _write(lambda conn: claims.claim_of_task(conn, UUID(job_id), task_id))


def _write(statement: Callable[[Connection], T]) -> T:
    """Run `statement` in a transaction of its own; while the database is away, again and again until the lease is over."""
    deadline = time.monotonic() + get_settings().queue_stalled_timeout / 1000
    pause = 0.1
    while True:
        try:
            with services().engine.begin() as conn:
                return statement(conn)
        except (OperationalError, InterfaceError) as error:
            if not is_away(error) or time.monotonic() + pause > deadline:
                raise
            log.warning("the database is away, trying again: %s", describe(error))
            time.sleep(pause)
            pause = min(pause * 2, 2.0)


def is_away(error: DBAPIError) -> bool:
    """Whether the statement may succeed once the database is back: no connection, shutting down, out of room, a deadlock."""
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or state[:2] in ("08", "40", "53", "57", "55")
