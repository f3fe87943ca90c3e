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
    IGNORED after PutOff                     pending, not charged an attempt, due later
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
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from app import reporting
from app.logs import JOB, about
from app.queue import claims
from app.queue.adding import add_job, to_json
from app.queue.claims import Claim, Outcome
from app.queue.errors import PermanentError, PutOff, TransientError, describe, is_retryable
from app.queue.steering import cancel_job
from app.settings import get_settings
from tasks import outcomes
from tasks.arguments import add_request
from tasks.runway import RUNWAY
from tasks.services import leave, services

log = logging.getLogger(__name__)

STALE = 2.0  # seconds between a message and its run after which the claim that came with it is looked at again
T = TypeVar("T")

_held: dict[str, list[Claim]] = {}  # by Celery task id: the claims of this process; several for a lease
worker_name = "worker"  # of the worker this process belongs to; set before it forks


def claims_of(task_id: str) -> list[Claim]:
    """The claims this process holds for a Celery task."""
    return _held.get(task_id, [])


def connect() -> None:
    """Connect the handlers; calling it again changes nothing."""
    signals.task_prerun.connect(_claim, dispatch_uid="buildos")
    signals.task_postrun.connect(_forget, dispatch_uid="buildos")
    signals.task_success.connect(_complete, dispatch_uid="buildos")
    signals.task_failure.connect(_fail, dispatch_uid="buildos")
    signals.task_retry.connect(_retry, dispatch_uid="buildos")
    signals.task_revoked.connect(_revoke, dispatch_uid="buildos")
    signals.worker_process_shutdown.connect(leave, dispatch_uid="buildos")
    signals.worker_shutdown.connect(leave, dispatch_uid="buildos")


def _is_job(task: Any) -> bool:
    return getattr(task, "is_job", False)


def _claim(sender: Any, task_id: str, kwargs: dict[str, Any], args: Any = (), **_: Any) -> None:
    if not _is_job(sender):
        return
    came_with_dispatch = getattr(sender.request, "claims", None)
    if came_with_dispatch:
        if time.time() - sender.request.taken_at > STALE:
            standing = _write(lambda conn: claims.standing(conn, came_with_dispatch))
            _refused(sender, len(came_with_dispatch) - len(standing))
            came_with_dispatch = standing
        _held[task_id] = came_with_dispatch
        return
    job_id = kwargs.get("job_id") if not args and set(kwargs) <= {"job_id", "jobs"} else None
    held = _write(lambda conn: claims.claim(conn, UUID(job_id or _adopt(conn, sender, task_id, args, kwargs)), task_id, worker_name))
    if held is not None:
        _held[task_id] = [held]
    else:
        _refused(sender, 1)


def _refused(task: Any, jobs: int) -> None:
    for _ in range(jobs):
        services().meter.see("claim_refused", task.name)


def _adopt(conn: Connection, task: Any, task_id: str, args: Any, kwargs: dict[str, Any]) -> str:
    """A message that another Celery client sent without a row: it gets one, once however often it is delivered."""
    return str(add_job(conn, task.name, **add_request(*args, **kwargs), dedup_key=f"celery-{task_id}").id)


def _forget(task_id: str, **_: Any) -> None:
    _held.pop(task_id, None)
    JOB.set(None)


def _complete(sender: Any, result: Any, **_: Any) -> None:
    held = claims_of(sender.request.id) if _is_job(sender) else []
    if len(held) == 1:  # the jobs of a lease have each told their own end
        succeed(held[0], result)


def succeed(held: Claim, result: Any) -> None:
    """A run ended well: its outcome goes to the writer, or is written here where there is none."""
    outcome = Outcome(held.job_id, held.token, None if result is None else to_json(result, "result"))
    if not outcomes.send(outcome):
        complete([outcome])


def complete(ended: Sequence[Outcome], engine: Engine | None = None) -> None:
    """Write what ended well, in one statement. A result that Postgres refuses fails its own job and no other."""
    try:
        written = _write(lambda conn: claims.complete_many(conn, ended), engine)
    except DBAPIError as error:
        if len(ended) > 1:
            for outcome in ended:
                complete([outcome], engine)
            return
        message = f"the result could not be stored: {describe(error.orig or error)}"
        written = _write(lambda conn: {o.job_id for o in ended if claims.fail(conn, o, message, retry=False)})
    for outcome in ended:
        if outcome.job_id not in written:
            log.warning("job %s was no longer ours: its result is discarded", outcome.job_id)


def _fail(sender: Any, task_id: str, exception: BaseException, kwargs: dict[str, Any] | None = None, **_: Any) -> None:
    if not _is_job(sender):
        reporting.report(exception)
        return
    if task_id in _held:
        record_failure(_held[task_id][0], _plain(exception))
        return
    # Told by the main process of a child that is gone. What it handed over before is written first; then the first job that
    # has no end is the one it was at.
    standing = _standing(task_id, kwargs)
    if standing:
        record_failure(standing[0], _plain(exception))
        hand_back(standing[1:], "the job before it ended their process")


def _plain(exception: BaseException) -> BaseException:
    if isinstance(exception, TimeLimitExceeded):
        return TransientError(f"took longer than {exception.args[0]} s and was ended")
    if isinstance(exception, WorkerLostError):
        return TransientError(f"its worker process died: {exception}")
    return exception


def _retry(sender: Any, request: Any, reason: Any = None, **_: Any) -> None:
    if not _is_job(sender):
        return
    if request.id in _held:
        error = TransientError(describe(reason.exc) if getattr(reason, "exc", None) else str(reason))
        record_failure(_held[request.id][0], error)
        return
    hand_back(_standing(request.id, request.kwargs), "its worker stopped")


def _revoke(sender: Any, request: Any, terminated: bool = False, **_: Any) -> None:
    if not _is_job(sender) or "job_id" not in (request.kwargs or {}):
        return
    standing = _standing(request.id, request.kwargs)
    # A run that was ended may have lost its job to another one: only a job that is still its own is cancelled.
    for job_id in [held.id for held in standing] or ([] if terminated else [UUID(request.kwargs["job_id"])]):
        _write(lambda conn, job_id=job_id: cancel_job(conn, job_id, "revoked"))


def record_failure(held: Claim, error: BaseException) -> None:
    """Write the failure of a run, and what its feature has to say of it, in one transaction."""
    retry = is_retryable(error)
    message = describe(error)

    def write(conn: Connection) -> bool:
        written = claims.fail(conn, held, message, retry=retry)
        if written:
            tell_feature(conn, held, message, final=claims.is_last(held, retry=retry))
        return written

    with about(held):
        if not isinstance(error, (PermanentError, TransientError)):
            reporting.report(error)
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


def hand_back(jobs: Sequence[Claim], why: str) -> None:
    """These jobs have not begun, or may begin anew: back to `pending`, uncharged."""
    for held in jobs:
        _write(lambda conn, held=held: claims.release(conn, held, f"handed back: {why}"))


def put_off(held: Claim, reason: PutOff) -> None:
    """Not now: back to `pending`, uncharged, with the time at which it is offered again."""
    if not _write(lambda conn: claims.put_off(conn, held, f"put off: {reason}", reason.seconds)):
        log.warning("job %s was no longer ours: it is not put off", held.id)


def _standing(task_id: str, kwargs: dict[str, Any] | None) -> list[Claim]:
    """The claims of a run in another process of this worker that have no end yet, in the order of their running."""
    outcomes.settle()
    message = RUNWAY.begun(task_id)
    if message is not None and message.claims:
        return _write(lambda conn: claims.standing(conn, message.claims))
    job_id = (kwargs or {}).get("job_id")
    held = _write(lambda conn: claims.claim_of_task(conn, UUID(job_id), task_id)) if job_id else None
    return [held] if held else []


def _write(statement: Callable[[Connection], T], engine: Engine | None = None) -> T:
    """Run `statement` in a transaction of its own; while the database is away, again and again until the lease is over."""
    deadline = time.monotonic() + get_settings().queue_stalled_timeout / 1000
    pause = 0.1
    while True:
        try:
            with (engine or services().engine).begin() as conn:
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
