"""A brain dump from its text to its rows: over a stream, as a job, and the yes in between (CONTRACT 5, 8.8)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from app.db.commit import OutcomeUnknown, transaction
from app.features.braindump import repository
from app.features.braindump.applying import apply, check_against_rows
from app.features.braindump.calls import TookTooLong
from app.features.braindump.models import Dump, Event, Operations, Plan, PlanRefused, Surroundings, Unreadable
from app.features.braindump.planning import LONGEST, plan
from app.formats.zones import iana_name
from app.ports.clock import Clock
from app.ports.llm import LLM, Stop
from app.queue.errors import PermanentError, TransientError
from app.queue.models import BrainDumpMetadata, BrainDumpResult
from app.queue.running import RunningJob

log = logging.getLogger(__name__)

BEAT = 2.0  # seconds of silence after which a stream shows that it is alive; a client that went away is noticed then
TICK = 1.5  # seconds between progress reports of a job (CONTRACT 14 asks for one every 2 s)

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# What a job's progress says at an event: (percent, line for people).
_STEPS = {
    "start": (5, "Reading your brain dump"),
    "analysis": (15, "Finding out what it is about"),
    "context": (40, "Sorting what is worth keeping and what is to be done"),
    "tasks": (40, "Sorting what is worth keeping and what is to be done"),
    "merge": (80, "Putting both together"),
    "operations": (90, "The proposal is ready"),
}

Transaction = Callable[[], AbstractContextManager[Connection]]


class NotProposed(Exception):
    """A yes to a brain dump that has no proposal. `status` is what it has instead."""

    def __init__(self, status: str) -> None:
        super().__init__(f"A {status} brain dump has nothing to confirm")
        self.status = status


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the plan and, where it was applied, what each operation did."""

    plan: Plan
    result: dict[str, Any] | None


class BrainDumpService:
    """Sorts brain dumps. Holds no state of its own: one instance serves every request and job of a process."""

    def __init__(
        self, engine: Engine, clock: Clock, llm: LLM, *, beat: float = BEAT, tick: float = TICK, longest: float = LONGEST
    ) -> None:
        self._engine, self._clock, self._llm = engine, clock, llm
        self._beat, self._tick, self._longest = beat, tick, longest

    def owns_project(self, conn: Connection, user_id: UUID, project_id: UUID) -> bool:
        """Whether the project exists and is the user's."""
        return repository.owns_project(conn, user_id, project_id)

    # Over a stream

    def begin(self, conn: Connection, user_id: UUID, text: str, project_id: UUID | None, auto_accept: bool) -> Dump | None:
        """The row of a brain dump that is going to be streamed; None when the project is not the user's."""
        if project_id is not None and not repository.owns_project(conn, user_id, project_id):
            return None
        now = self._clock.now()
        repository.bury(conn, user_id, now)
        return repository.begin(conn, user_id, text, project_id, auto_accept, now)

    def stream(self, dump: Dump) -> Generator[Event, None, None]:
        """Everything that happens, down to `complete` or `error`, with heartbeats. Holds a database connection only while it
        reads or writes.

        Whoever stops iterating (`close`) ends the calls of the model; a row without a plan is then `cancelled`.
        """
        stop = Stop()
        try:
            outcome = yield from self._work(dump, lambda: transaction(self._engine), stop, self._beat)
            yield Event("complete", {"brainDumpId": str(dump.id), **_shown(dump, outcome)})
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who watches is told
            code, message = _failure(error)
            self._end(dump, "failed", message)
            yield Event("error", {"brainDumpId": str(dump.id), "error": message, "code": code})
        except BaseException:  # the client or the server went away
            self._end(dump, "cancelled", "the client went away, or the server stopped, before there was a plan")
            raise
        finally:
            stop.set()

    # As a job

    def process(self, job: RunningJob) -> BrainDumpResult:
        """The same as a job. One that runs again after its plan was stored answers with it and asks nobody.

        Raises PermanentError for an unknown user or project and for a plan that does not fit, TransientError where the model
        could not be understood or took too long, LeaseLost when the job is no longer ours.
        """
        metadata: BrainDumpMetadata = job.metadata
        with job.transaction() as conn:
            row = repository.find_by_job(conn, job.id)
            if row is not None and row.status in ("proposed", "applied"):
                return _result(row.id, Operations.validate_python(row.operations), row.plan_source, row.result)
            if repository.find_timezone(conn, job.user_id) is None:
                raise PermanentError("user_id: there is no such user")
            if metadata.projectId is not None and not repository.owns_project(conn, job.user_id, metadata.projectId):
                raise PermanentError("projectId: the user has no such project")
            dump = repository.begin(
                conn, job.user_id, metadata.text, metadata.projectId, metadata.autoAccept, self._clock.now(), job.id
            )
        stop = Stop()
        try:
            outcome = self._reported(job, self._work(dump, job.transaction, stop, self._tick))
        except PlanRefused as error:
            raise PermanentError(f"the plan does not fit: {error}") from None
        except (Unreadable, TookTooLong) as error:
            raise TransientError(_failure(error)[1]) from None
        finally:
            stop.set()
        job.progress("done", 100, "Your brain dump is sorted")
        return _result(dump.id, outcome.plan.operations, outcome.plan.source, outcome.result)

    def _reported(self, job: RunningJob, work: Generator[Event, None, Outcome]) -> Outcome:
        """Run to the end, with progress at each step and in between. Every report notices that the job was cancelled."""
        step, percent, line, reported = "start", 0, "", time.monotonic()
        while True:
            try:
                event = next(work)
            except StopIteration as end:
                return end.value
            known = _STEPS.get(event.name)
            moved = known is not None and known[0] > percent
            if moved:
                step, (percent, line) = event.name, known
            now = time.monotonic()
            if moved or event.name == "" or now - reported >= self._tick:
                job.progress(step, percent, line)
                reported = now

    def failed(self, conn: Connection, *, job_id: UUID, error: str) -> None:
        """Note, in the transaction that ends the job's run, that it failed."""
        repository.mark_job_failed(conn, job_id, error)

    # The yes

    def find(self, conn: Connection, dump_id: UUID) -> Row | None:
        """The row as it is stored; a stream whose process is gone is said to have failed."""
        row = repository.find(conn, dump_id)
        if row is not None and row.status == "processing":
            repository.bury(conn, row.user_id, self._clock.now())
            row = repository.find(conn, dump_id)
        return row

    def confirm(self, conn: Connection, dump_id: UUID) -> Row:
        """Apply the proposal in the caller's transaction. A second time nothing is done, and the row is the same.

        Raises NotProposed where there is none, PlanRefused when the user's rows have changed so that it no longer fits.
        """
        row = repository.find(conn, dump_id, lock=True)
        if row.status == "applied":
            return row
        if row.status != "proposed":
            raise NotProposed(row.status)
        try:
            operations = Operations.validate_python(row.operations)
        except ValidationError:  # somebody changed the row by SQL
            raise PlanRefused(["operations: cannot be read"]) from None
        self._apply(conn, row.id, row.user_id, operations)
        return repository.find(conn, dump_id)

    # All of them

    def _work(
        self, dump: Dump, transaction: Transaction, stop: Stop, beat: float
    ) -> Generator[Event, None, Outcome]:
        given = {"projectId": str(dump.project_id) if dump.project_id else None, "autoAccept": dump.auto_accept}
        yield Event("start", {"brainDumpId": str(dump.id), **given})
        around = self._surroundings(dump)
        made = yield from plan(self._llm, dump, around, stop, beat=beat, longest=self._longest)
        result = None
        with transaction() as conn:
            # In an order that all writers of these rows keep: the dump itself, then what it refers to.
            if not repository.propose(conn, dump.id, made, self._clock.now()):
                raise PermanentError("the brain dump is no longer being worked on")
            if dump.auto_accept:
                result = self._apply(conn, dump.id, dump.user_id, made.operations)
            else:
                check_against_rows(conn, dump.user_id, made.operations)
        outcome = Outcome(made, result)
        shown = Operations.dump_python(made.operations, mode="json", exclude_none=True)
        source = {"source": made.source, "reason": made.reason, "model": made.model}
        yield Event("operations", {"operations": shown, "summary": made.summary, **source})
        return outcome

    def _surroundings(self, dump: Dump) -> Surroundings:
        with self._engine.connect() as conn:
            today = self._clock.now().astimezone(self._zone(conn, dump.user_id))
            named = f"{_DAYS[today.weekday()]}, {today.date().isoformat()}"
            return repository.surroundings(conn, dump.user_id, dump.project_id, named)

    def _apply(self, conn: Connection, dump_id: UUID, user_id: UUID, operations: list) -> dict[str, Any]:
        now = self._clock.now()
        result = apply(conn, user_id, operations, zone=self._zone(conn, user_id), now=now)
        repository.mark_applied(conn, dump_id, result, now)
        return result

    def _zone(self, conn: Connection, user_id: UUID) -> ZoneInfo:
        return ZoneInfo(iana_name(repository.find_timezone(conn, user_id)) or "UTC")

    def _end(self, dump: Dump, status: str, error: str) -> None:
        """Say in the row how it ended. Where even that fails, the next look at it says so (`repository.bury`)."""
        try:
            with self._engine.begin() as conn:
                repository.mark_ended(conn, dump.id, status, error)
        except SQLAlchemyError:
            log.warning("brain_dump.end_not_written id=%s status=%s", dump.id, status, exc_info=True)


def _failure(error: Exception) -> tuple[str, str]:
    """(code, message) for the one who watches; what nobody foresaw is logged and not shown."""
    if isinstance(error, PlanRefused):
        return "plan_refused", f"the plan does not fit: {error}"
    if isinstance(error, Unreadable):
        return "model_unreadable", str(error)
    if isinstance(error, TookTooLong):
        return "timeout", "the language model did not come to an end in time"
    if isinstance(error, OutcomeUnknown):
        return "outcome_unknown", "whether this was done is not known; look at the brain dump again"
    if isinstance(error, SQLAlchemyError):
        log.warning("brain_dump.database", exc_info=error)
        return "database_unavailable", "the database could not be used"
    if isinstance(error, PermanentError):
        return "conflict", str(error)
    log.error("brain_dump.failed", exc_info=error)
    return "internal_error", "something went wrong on our side"


def _shown(dump: Dump, outcome: Outcome) -> dict[str, Any]:
    applied = outcome.result is not None
    return {"status": "applied" if applied else "proposed", "executed": applied, "result": outcome.result}


def _result(dump_id: UUID, operations: list, source: str, result: dict[str, Any] | None) -> BrainDumpResult:
    return BrainDumpResult(
        brainDumpId=str(dump_id),
        status="proposed" if result is None else "applied",
        executed=result is not None,
        source=source,
        operations=Operations.dump_python(operations, mode="json", exclude_none=True),
        result=result,
    )
