"""Requests and responses of phases and onboarding (CONTRACT 5)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StrictStr

from app.web.fields import Flag, Text, UserId
from app.web.schemas import QueuedReply, Reply, Request

Status = Literal["backlog", "in_progress", "blocked", "done"]
SchedulingMethod = Literal["phases_only", "schedule_in_phases", "calendar_optimized"]
Line = Annotated[Text, Field(max_length=500)]


class PhasesOptions(Request):
    """How to plan."""

    regenerate: Flag | None = Field(None, description="Plan anew, without a look at the phases there are.")
    template: Annotated[Text, Field(max_length=200)] | None = Field(
        None, description="The kind of plan that is wanted."
    )
    includeExistingTasks: Flag | None = Field(
        None, description="False: phases stay, and tasks that are in none are planned behind them."
    )
    selected_statuses: Annotated[list[Status], Field(min_length=1, max_length=4)] | None = Field(
        None, description="Tasks of which statuses are planned; all that are not done where nothing is said."
    )
    scheduling_method: SchedulingMethod | None = Field(None, description="phases_only where nothing is said.")


class PhasesJobRequest(Request):
    """Phases for a project, by a job."""

    userId: UserId | None = Field(None, description="Needed where no user's token says who is calling.")
    projectId: StrictStr
    options: PhasesOptions | None = None


class QueuePhasesRequest(PhasesJobRequest):
    userId: UserId


class GeneratePhasesRequest(PhasesOptions):
    """Phases for a project, at once. The options stand in the body itself, or under `options`."""

    userId: UserId | None = Field(None, description="Needed where no user's token says who is calling.")
    options: PhasesOptions | None = None


class CorrelatedReply(QueuedReply):
    """A job that was queued."""

    correlationId: str = Field(description="Found again in the notification that tells the end.")


class BacklogTask(Reply):
    id: str
    title: str
    status: str
    priority: str
    start_date: datetime | None
    due_date: datetime | None
    all_day: bool


class PhaseTask(BacklogTask):
    """A task in its phase. Nothing stands before what it depends on."""

    order: int
    estimated_minutes: int | None
    suggested_start_date: datetime | None
    suggested_end_date: datetime | None
    assignment_reason: str | None


class Phase(Reply):
    id: str
    name: str
    description: str | None
    order: int
    start_date: date | None = Field(description="In the user's time zone, as end_date.")
    end_date: date | None
    tasks: list[PhaseTask]


class Generation(Reply):
    """How the phases came about."""

    planned_by: Literal["model", "dependencies"]
    llm_model: str | None
    scheduling_method: str
    summary: str | None
    notes: dict[str, Any] = Field(
        description="What was odd: circles, moved_later, taken_in, left_out, unknown, late, no_room …"
    )
    created_at: datetime


class Plan(Reply):
    projectId: str
    phases: list[Phase]
    backlogTasks: list[BacklogTask] = Field(description="Open tasks that are in no phase.")
    generation: Generation | None


class GeneratePhasesReply(Reply):
    success: Literal[True] = True
    jobId: str
    data: Plan


class UserContext(Request):
    """What the user tells."""

    name: Annotated[Text, Field(max_length=200)] | None = None
    description: Annotated[Text, Field(max_length=5000)] | None = None
    goals: Annotated[list[Line], Field(max_length=50)] | None = None
    challenges: Annotated[list[Line], Field(max_length=50)] | None = None


class OnboardingOptions(Request):
    forceRegenerate: Flag | None = Field(None, description="Cancel what runs and begin anew.")


class QueueOnboardingRequest(Request):
    """An analysis of what a new user tells."""

    userId: UserId
    userContext: UserContext
    options: OnboardingOptions | None = None


class Analysis(Reply):
    id: str
    analyzed_by: Literal["model", "rules"]
    llm_model: str | None
    summary: str | None
    insights: list[str]
    workflow_suggestions: list[dict[str, Any]]
    recommended_features: list[dict[str, Any]]
    adhd_practices: list[dict[str, Any]]
    questions: list[dict[str, Any]]
    user_context: dict[str, Any]
    completed_at: datetime


class OnboardingReply(Reply):
    userId: str
    analyzedAt: datetime | None
    analysis: Analysis | None = Field(description="The newest; null before the first.")
