"""What the user told, and what was made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

AnalyzedBy = Literal["model", "rules"]

FEATURES: Mapping[str, str] = {
    "daily_brief": "Daily brief: each morning what is due, what is late and where to begin",
    "project_phases": "Phases: a project's tasks in an order that works, with dates around your calendar",
    "brain_dump": "Brain dump: write down whatever is in your head, it becomes tasks and notes",
    "calendar_sync": "Calendar: your events beside your tasks, and tasks in free time",
    "sms_reminders": "Text message reminders before an event",
    "notifications": "Notifications on the devices you choose, with quiet hours",
    "recurring_tasks": "Repeating tasks that come back by themselves",
    "import": "Import of the task lists and calendars you have already",
}


@dataclass(frozen=True, slots=True)
class Context:
    """What the user told, as plain text of bounded length."""

    name: str = ""
    description: str = ""
    goals: tuple[str, ...] = ()
    challenges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to try, and how or why."""

    title: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One of FEATURES, and what it would do for this user."""

    feature: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """Something worth asking the user, and what the answer is good for."""

    question: str
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is stored. All words are plain text."""

    analyzed_by: AnalyzedBy
    model: str | None = None
    summary: str = ""
    insights: tuple[str, ...] = ()
    workflow_suggestions: tuple[Advice, ...] = ()
    recommended_features: tuple[Recommendation, ...] = ()
    adhd_practices: tuple[Advice, ...] = ()
    questions: tuple[Question, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)

    def lists(self) -> dict[str, list[Any]]:
        """The five lists as JSON."""
        whole = asdict(self)
        names = ("insights", "workflow_suggestions", "recommended_features", "adhd_practices", "questions")
        return {name: list(whole[name]) for name in names}
