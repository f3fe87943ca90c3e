"""From a text to a plan: a preparatory analysis, then context and tasks side by side, then both as one (CONTRACT 8.8)."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from functools import partial

from app.features.braindump import prompts, rules
from app.features.braindump.calls import ask, side_by_side
from app.features.braindump.models import (
    AnalysisAnswer,
    ContextAnswer,
    Dump,
    Event,
    Known,
    Plan,
    PlanRefused,
    Surroundings,
    Target,
    TasksAnswer,
    Unreadable,
)
from app.identity.users import parse_user_id
from app.ports.llm import LLM, LLMUnavailable, Stop

log = logging.getLogger(__name__)

LONGEST = 300.0  # seconds all calls together may take

Planning = Generator[Event, None, Plan]


def plan(llm: LLM, dump: Dump, around: Surroundings, stop: Stop, *, beat: float, longest: float = LONGEST) -> Planning:
    """Yields what happens and returns the plan. No database is touched, so none is held while a model thinks.

    No model at all, or every model down: a plan by rules that says so. Raises Unreadable when a model answers and cannot be
    understood, TookTooLong after `longest` seconds, Stopped when `stop` is set.
    """
    try:
        return (yield from _by_model(llm, dump, around, stop, beat=beat, until=time.monotonic() + longest))
    except LLMUnavailable as error:
        operations = rules.plan_by_rules(dump.text, str(dump.project_id) if dump.project_id else None)
        reason = f"sorted by simple rules, without a language model: {error.reason}"
        yield Event("merge", {"source": "rules", "reason": reason, "operations": len(operations)})
        return Plan(operations, "rules", reason=reason)


def _by_model(llm: LLM, dump: Dump, around: Surroundings, stop: Stop, *, beat: float, until: float) -> Planning:
    known = around.known()
    yield Event("analysis", {"status": "started"})
    answers = yield from side_by_side(
        {"analysis": lambda say: _analysis(llm, dump, around, known, stop, say)}, beat=beat, until=until
    )
    analysis, model = answers["analysis"]
    target = Target(kind="existing", id=str(dump.project_id)) if dump.project_id else analysis.project
    shown = target.model_dump(exclude_none=True)
    yield Event("analysis", {"status": "completed", "summary": analysis.summary, "project": shown, "model": model})

    question = prompts.plan_question(dump, around, analysis.summary, target)
    also = {rules.NEW_PROJECT} if target.kind == "new" else set()
    calls = {}
    for phase, wanted, system, shape in (
        ("context", analysis.has_context, prompts.CONTEXT, ContextAnswer),
        ("tasks", analysis.has_tasks, prompts.TASKS, TasksAnswer),
    ):
        yield Event(phase, {"status": "started" if wanted else "skipped"})
        if wanted:
            calls[phase] = partial(
                _operations, llm, phase, system=system, question=question, shape=shape, known=known, also=also, stop=stop
            )
    answers = yield from side_by_side(calls, beat=beat, until=until)
    model = next((used for _, used in answers.values()), model)
    parts = {phase: operations for phase, (operations, _) in answers.items()}
    operations = rules.merge(target, parts.get("context", ()), parts.get("tasks", ()))
    try:
        rules.check(operations, known)
    except PlanRefused as error:  # each part was right: what is wrong is how they meet
        raise Unreadable(f"the parts of the plan do not fit together: {error}") from None
    yield Event("merge", {"source": "model", "operations": len(operations)})
    return Plan(operations, "model", analysis.summary, model)


def _analysis(llm, dump, around, known: Known, stop: Stop, say) -> tuple[AnalysisAnswer, str | None]:
    """It only prepares: one that cannot be read costs the hints it would have given, not the plan."""

    def check(answer: AnalysisAnswer) -> None:
        project = answer.project
        if project.kind == "existing" and parse_user_id(project.id or "") not in known.projects:
            raise PlanRefused([f"project.id: there is no project {project.id}"])
        if project.kind == "new" and not project.name:
            raise PlanRefused(["project.name: is missing"])

    try:
        return ask(
            llm, "analysis", system=prompts.ANALYSIS, question=prompts.analysis_question(dump, around),
            shape=AnalysisAnswer, check=check, max_tokens=prompts.ANALYSIS_TOKENS, stop=stop, say=say,
        )  # fmt: skip
    except Unreadable as error:
        log.warning("brain_dump.analysis_unreadable reason=%s", error)
        return AnalysisAnswer(), None


def _operations(llm, phase, say, *, system, question, shape, known: Known, also: set[str], stop: Stop):
    """(operations, model) of one of the two calls, each right in itself."""

    def check(answer) -> None:
        # The call for context may create the project itself: then it is its own.
        own = {getattr(operation, "ref", None) for operation in answer.operations}
        rules.check(answer.operations, known, also - own)

    answer, model = ask(
        llm, phase, system=system, question=question, shape=shape, check=check,
        max_tokens=prompts.PLAN_TOKENS, stop=stop, say=say,
    )  # fmt: skip
    shown = [operation.model_dump(exclude_none=True) for operation in answer.operations]
    say(Event(phase, {"status": "completed", "operations": shown, "model": model}))
    return answer.operations, model
