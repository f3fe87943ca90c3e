"""An onboarding analysis from its job to its row: read, ask, keep (CONTRACT 8.6)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, Engine

from app.features.onboarding import prompts, repository, rules
from app.features.onboarding.answer import AnalysisAnswer, analysis_of, problems_of
from app.features.onboarding.models import Analysis, Context
from app.ports.clock import Clock
from app.ports.llm import LLM, LLMUnavailable
from app.ports.structured import UnusableAnswer, ask_for
from app.queue.errors import PermanentError, TransientError
from app.queue.models import OnboardingMetadata, OnboardingResult
from app.queue.running import RunningJob
from app.queue.telling import Announce, tell
from app.queue.waiting import TICK_SECONDS, while_waiting
from app.realtime.events import emit


class OnboardingService:
    """Analyses what new users tell. Holds no state of its own: one instance serves every job of a process."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        llm: LLM,
        *,
        announce: Announce | None = None,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._llm = llm
        self._announce = announce
        self._tick_seconds = tick_seconds

    def analyse(self, job: RunningJob) -> OnboardingResult:
        """Analyse `job.metadata.userContext` and store it, with event and notification, in one transaction.

        Without a model to ask, the analysis comes from rules and says so; where models are set up and none answers, that happens at the job's
        last attempt, and before that TransientError is raised. Raises TransientError for two useless answers, LeaseLost when the job is no
        longer ours. A job whose analysis is stored already answers with it and does nothing again.
        """
        metadata: OnboardingMetadata = job.metadata
        if job.user_id is None:
            raise PermanentError("user_id: an onboarding analysis needs a user")
        job.progress("reading", 5, "Reading what you told us")
        with job.transaction() as conn:
            if (stored := repository.find_saved(conn, job.id)) is not None:
                return _result(stored["id"], len(stored["questions"]), stored["analyzed_by"])
        context = rules.read_context(metadata.userContext)
        analysis = self._ask(job, context)

        job.progress("saving", 90, "Saving the analysis")
        with job.transaction() as conn:
            analysis_id = repository.save(conn, job.user_id, context, analysis, job_id=job.id, now=self._clock.now())
            self._tell(conn, job, analysis_id, len(analysis.questions))
        job.progress("done", 100, "Your analysis is ready")
        return _result(analysis_id, len(analysis.questions), analysis.analyzed_by)

    def _tell(self, conn: Connection, job: RunningJob, analysis_id: UUID, questions: int) -> None:
        event = {"questionsGenerated": questions}
        emit(conn, job.user_id, "onboarding_completed", event, key=f"onboarding_completed:{job.id}")
        tell(
            conn,
            job.user_id,
            "onboarding.completed",
            {"analysisId": str(analysis_id), **event},
            correlation_id=job.metadata.correlationId or str(job.id),
            key=f"onboarding-completed-{job.id}",
            announce=self._announce,
        )

    def _ask(self, job: RunningJob, context: Context) -> Analysis:
        message = "Thinking about what you told us"
        job.progress("analysing", 25, message)
        try:
            answer = while_waiting(
                lambda: ask_for(
                    self._llm,
                    AnalysisAnswer,
                    system=prompts.SYSTEM,
                    user=prompts.user_message(context),
                    max_tokens=prompts.MAX_TOKENS,
                    check=problems_of,
                ),
                lambda seconds: job.progress("analysing", min(80, 25 + seconds // 2), f"{message} ({seconds} s)"),
                every=self._tick_seconds,
            )
        except UnusableAnswer as error:
            raise TransientError(str(error)) from None
        except LLMUnavailable as error:
            if error.configured and not job.is_last_attempt:
                raise TransientError(f"no model made an analysis: {error.reason}") from None
            return rules.by_rules(context, f"Made by rules alone: {error.reason}")
        return analysis_of(answer)


def _result(analysis_id: UUID, questions: int, analyzed_by: str) -> OnboardingResult:
    return OnboardingResult(analysisId=str(analysis_id), questionsGenerated=questions, analyzedBy=analyzed_by)
