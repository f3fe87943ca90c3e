"""Phases from their job to their rows: fetch, ask, arrange, date, replace (CONTRACT 8.5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from app.features.phases import prompts, repository, rules
from app.features.phases.answer import PlanAnswer, choice_of, problems_of
from app.features.phases.models import Choice, ChosenPhase, Plan, Project, Task
from app.features.phases.schedule import horizon, with_dates
from app.formats.plain import plain_line
from app.ports.clock import Clock
from app.ports.llm import LLM, LLMUnavailable
from app.ports.structured import UnusableAnswer, ask_for
from app.queue.errors import PermanentError, TransientError
from app.queue.models import PhasesMetadata, PhasesOptions, PhasesResult
from app.queue.running import RunningJob
from app.queue.telling import Announce, tell
from app.queue.waiting import TICK_SECONDS, while_waiting
from app.realtime.events import emit

NOT_FOUND = "Project not found"
NO_TASKS = "the project has no tasks to plan"

# Brings a user's repeating events up to a day: given a connection, the user and the last instant that must be covered.
ExpandCalendar = Callable[[Connection, UUID, datetime], object]


class PhasesService:
    """Makes phases. Holds no state of its own: one instance serves every job of a process."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        llm: LLM,
        *,
        expand_calendar: ExpandCalendar | None = None,
        announce: Announce | None = None,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._llm = llm
        self._expand_calendar = expand_calendar
        self._announce = announce
        self._tick_seconds = tick_seconds

    def generate(self, job: RunningJob, *, last_try: bool = False) -> PhasesResult:
        """Plan the project of `job.metadata` and replace its phases, with event and notification, in one transaction.

        Without a model to ask, the plan comes from dependencies alone and says so; where models are set up and none answers, that happens at the
        job's last attempt, or at once with `last_try`, and before that TransientError is raised. Raises PermanentError for a project that is not the
        user's or has no tasks, TransientError for two useless answers, LeaseLost when the job is no longer ours. A job whose
        phases are stored already answers with them and does nothing again.
        """
        metadata: PhasesMetadata = job.metadata
        options = metadata.options
        job.progress("fetching", 5, "Looking at the project's tasks")
        with job.transaction() as conn:
            if (stored := repository.find_generation(conn, job.id)) is not None:
                return _result(metadata.projectId, stored.phase_count, stored.backlog_count, stored.planned_by)
            zone = repository.find_zone(conn, _user(job))
            project = _known(repository.fetch(conn, metadata.projectId, _user(job), zone))
        tasks = _to_plan(project, options)

        choice = self._choose(job, project, tasks, options, last_try=last_try or job.is_last_attempt)

        now = self._clock.now()
        if options.scheduling_method == "calendar_optimized" and self._expand_calendar is not None:
            job.progress("calendar", 75, "Looking at your calendar")
            with job.transaction() as conn:
                self._expand_calendar(conn, _user(job), horizon(now, project.tasks))
        job.progress("saving", 90, "Saving the phases")
        with job.transaction() as conn:
            plan, choice = self._replace(conn, job, choice, zone, now)
            self._tell(conn, job, project.name, len(plan.phases))
        job.progress("done", 100, "Your phases are ready")
        return _result(metadata.projectId, len(plan.phases), len(plan.backlog), choice.planned_by)

    def _choose(
        self, job: RunningJob, project: Project, tasks: tuple[Task, ...], options: PhasesOptions, *, last_try: bool
    ) -> Choice | str:
        """What a model wants; in its place the reason why there is none, and the plan comes from dependencies."""
        if not tasks:
            return "Every task stands in a phase already"
        known = prompts.short_ids(tasks)
        question = prompts.user_message(
            project,
            known,
            method=options.scheduling_method,
            template=options.template,
            earlier=bool(project.phases) and not options.regenerate and options.includeExistingTasks,
        )
        message = "Asking for a plan"
        job.progress("planning", 25, message)
        try:
            answer = while_waiting(
                lambda: ask_for(
                    self._llm,
                    PlanAnswer,
                    system=prompts.SYSTEM,
                    user=question,
                    max_tokens=prompts.MAX_TOKENS,
                    check=lambda said: problems_of(said, known),
                ),
                lambda seconds: job.progress("planning", min(70, 25 + seconds // 2), f"{message} ({seconds} s)"),
                every=self._tick_seconds,
            )
        except UnusableAnswer as error:
            raise TransientError(str(error)) from None
        except LLMUnavailable as error:
            if error.configured and not last_try:
                raise TransientError(f"no model made a plan: {error.reason}") from None
            return f"Planned from dependencies alone: {error.reason}"
        return choice_of(answer, known)

    def _replace(
        self, conn: Connection, job: RunningJob, choice: Choice | str, zone: ZoneInfo, now: datetime
    ) -> tuple[Plan, Choice]:
        """Arrange the choice over what is in the database now, which may have changed while the model was asked, and store it."""
        metadata: PhasesMetadata = job.metadata
        options, user_id = metadata.options, _user(job)
        if not repository.lock_project(conn, metadata.projectId, user_id):
            raise PermanentError(NOT_FOUND)
        project = _known(repository.fetch(conn, metadata.projectId, user_id, zone, hold=True))
        tasks = _to_plan(project, options)
        if isinstance(choice, str):
            choice = rules.by_dependencies(project, tasks, choice)
        kept: tuple[ChosenPhase, ...] = ()
        if not options.includeExistingTasks:
            kept = rules.kept_phases(project, rules.selected(project, options.selected_statuses))
        chosen = rules.behind(kept, choice, tasks)
        staying = {task.id for phase in kept for task in phase.tasks}
        everything = [task for task in project.tasks if task.id in staying] + list(tasks)
        plan = rules.arrange(project, everything, chosen)
        busy = repository.fetch_busy(
            conn,
            user_id,
            project.id,
            kept=[phase.stored for phase in kept],
            zone=zone,
            now=now,
            until=horizon(now, project.tasks),
        )
        plan = with_dates(plan, project, method=options.scheduling_method, busy=busy, zone=zone, now=now)
        repository.replace_phases(
            conn, user_id, project.id, plan, chosen, job_id=job.id, method=options.scheduling_method, now=now
        )
        return plan, chosen

    def _tell(self, conn: Connection, job: RunningJob, project_name: str, phase_count: int) -> None:
        project_id = str(job.metadata.projectId)
        emit(
            conn,
            _user(job),
            "phases_completed",
            {"projectId": project_id, "phaseCount": phase_count},
            key=f"phases_completed:{job.id}",
        )
        payload = {
            "projectId": project_id,
            "phaseCount": phase_count,
            "url": f"/projects/{project_id}",
            **({"projectName": name} if (name := plain_line(project_name, 200)) else {}),
        }
        tell(
            conn,
            _user(job),
            "phases.ready",
            payload,
            correlation_id=job.metadata.correlationId or str(job.id),
            key=f"phases-ready-{job.id}",
            announce=self._announce,
        )


def _user(job: RunningJob) -> UUID:
    if job.user_id is None:
        raise PermanentError("user_id: phases need a user")
    return job.user_id


def _known(project: Project | None) -> Project:
    if project is None:
        raise PermanentError(NOT_FOUND)
    return project


def _to_plan(project: Project, options: PhasesOptions) -> tuple[Task, ...]:
    """The tasks to plan. Raises PermanentError where the project has none; that all stand in a phase that stays is fine."""
    if not rules.selected(project, options.selected_statuses):
        raise PermanentError(NO_TASKS)
    return rules.selected(project, options.selected_statuses, include_placed=options.includeExistingTasks)


def _result(project_id: UUID, phases: int, backlog: int, planned_by: str) -> PhasesResult:
    return PhasesResult(projectId=str(project_id), phaseCount=phases, backlogCount=backlog, plannedBy=planned_by)
