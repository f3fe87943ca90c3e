"""The shapes of requests and responses (CONTRACT 5): one model each, for checking, for the client and for OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.web.fields import Day, Flag, Instant, ProjectIds, Timezone, UserId

JobStatus = Literal["pending", "processing", "completed", "failed", "cancelled", "retrying"]


class Request(BaseModel):
    """What comes in. Keys that are not known are ignored."""

    model_config = ConfigDict(extra="ignore", defer_build=True)


class Reply(BaseModel):
    """What goes out. A later version may add keys."""

    model_config = ConfigDict(extra="allow", defer_build=True)


class ErrorReply(Reply):
    """Every error."""

    error: str = Field(description="For people.")
    code: str = Field(description="For programs, in snake_case.")
    details: Any = Field(None, description="The fields of bad input, each with its message.")


class BriefOptions(Request):
    """Which projects the brief covers; all active ones where nothing is said."""

    includeProjects: ProjectIds | None = None
    excludeProjects: ProjectIds | None = None


class QueueBriefRequest(Request):
    """A brief for a user and a date."""

    userId: UserId
    scheduledFor: Instant | None = Field(
        None, description="Not before this time; now where it is missing. UTC without an offset."
    )
    briefDate: Day | None = Field(None, description="Defaults to the local date of scheduledFor, else of today.")
    timezone: Timezone | None = Field(None, description="IANA name; defaults to the user's own, else UTC.")
    forceImmediate: Flag | None = Field(
        None, description="Now, at priority 1, also where it is already waiting for later."
    )
    forceRegenerate: Flag | None = Field(None, description="Cancel the live jobs of that date and queue a new one.")
    options: BriefOptions | None = None


class QueueBriefReply(Reply):
    success: Literal[True] = True
    jobId: str
    scheduledFor: datetime = Field(description="The stored time.")
    briefDate: str
    deduplicated: bool = Field(description="True when a job for that user and date was there already.")


class CancelBriefRequest(Request):
    userId: UserId
    briefDate: Day


class CancelBriefReply(Reply):
    success: Literal[True] = True
    cancelledJobs: int


class Progress(Reply):
    current: float
    total: float
    message: str


class Job(Reply):
    """A row of `queue_jobs` (CONTRACT 1), with `error` and `progress`."""

    id: str
    queue_job_id: str
    user_id: str | None
    job_type: str
    status: JobStatus
    scheduled_for: datetime
    metadata: dict[str, Any]
    result: Any = None
    attempts: int
    max_attempts: int
    priority: int
    error_message: str | None = None
    error: str | None = Field(None, description="The same as error_message.")
    progress: Progress | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    processed_at: datetime | None = None
    completed_at: datetime | None = None


class JobEvent(Reply):
    """One change of state."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    from_: JobStatus | None = Field(None, alias="from")
    to: JobStatus
    at: datetime
    attempt: int | None = None
    worker: str | None = None
    message: str | None = None


class JobEventsReply(Reply):
    events: list[JobEvent] = Field(description="Oldest first.")


class CancelJobReply(Reply):
    success: Literal[True] = True
    jobId: str
    status: Literal["cancelled"] = "cancelled"


class RetryJobReply(Reply):
    success: Literal[True] = True
    jobId: str = Field(description="The new job.")
    retriedFrom: str = Field(description="Uuid of the job that was retried; it stays as it is.")
    scheduledFor: datetime


class QueueJobReply(Reply):
    """A job in the words of the earlier API."""

    jobId: str
    status: JobStatus
    progress: Progress | None = None
    result: Any = None
    error: str | None = None


class JobsReply(Reply):
    jobs: list[Job] = Field(description="Newest first.")
    nextCursor: str | None = Field(description="For the next page; null on the last one.")


class Count(Reply):
    job_type: str
    status: JobStatus
    count: int


class StatsReply(Reply):
    stats: list[Count]


class Checks(Reply):
    database: Literal["ok", "away"]
    broker: Literal["ok", "away"]
    workers: Literal["ok", "away"]
    beat: Literal["ok", "away"]


class AlertShown(Reply):
    name: str = Field(
        description="Stays the same while the trouble lasts: failing:<job_type>, pending_age, no_worker, …"
    )
    message: str
    value: float = Field(description="Its measure: failures, seconds, or how many are missing.")


class HealthReply(Reply):
    """`degraded` while jobs are accepted and nobody can run them, `unhealthy` while none can be accepted."""

    status: Literal["healthy", "degraded", "unhealthy"]
    timestamp: datetime
    service: str
    queue: str
    uptime: float = Field(description="Seconds since this process started.")
    lastPoll: datetime | None = Field(description="When a worker last looked for due jobs.")
    queues: dict[str, dict[str, int]]
    stats: list[Count]
    totals: dict[str, int]
    checks: Checks
    alerts: list[AlertShown] = Field(description="What an operator must hear of, the gravest first.")
    paused: list[str] = Field(description="Job types that are held back.")


class PauseReply(Reply):
    success: Literal[True] = True
    jobType: str
    paused: bool


class BulkReply(Reply):
    """`results` in the order of `jobs`: `{jobId, deduplicated, scheduledFor}`, or `{error, code}`."""

    success: Literal[True] = True
    results: list[dict[str, Any]]


class BulkSteerReply(Reply):
    success: Literal[True] = True
    matched: int = Field(description="Jobs of the filter, whatever their state.")
    eligible: int = Field(
        description="Those that the action applies to: live ones to cancel, failed or cancelled ones to retry."
    )
    changed: int = Field(description="Jobs cancelled, or new ones queued; 0 with dryRun.")
    refused: int = Field(description="Retries whose metadata does not fit the job type any more.")
    dryRun: bool


class StaleJobShown(Reply):
    id: str = Field(description="Uuid of the job.")
    queue_job_id: str
    job_type: str
    status: JobStatus
    created_at: datetime
    age_hours: float = Field(description="Since it was added.")


class StaleStatsReply(Reply):
    thresholdHours: float
    staleCount: int
    staleJobs: list[StaleJobShown] = Field(description="The first hundred, oldest first.")
    oldFailedCount: int = Field(description="Jobs that failed more than 7 days ago and are not archived yet.")
    message: str


class CleanupReply(Reply):
    success: bool
    staleCancelled: int
    oldFailedCancelled: int = Field(description="Old failed jobs that moved to the archive; they are not rewritten.")
    errors: list[str]
    message: str


class Schedule(Reply):
    """What a schedule did last and does next."""

    name: str
    cron: str = Field(description="When it ticks, in UTC.")
    lastRun: datetime | None = Field(description="Its last success; null: it has never run.")
    lastOutcome: Literal["succeeded", "failed"] | None = Field(description="Of the latest try.")
    lastQueued: int | None = Field(description="Jobs that its last success added.")
    lastError: str | None = Field(description="Why it failed since its last success.")
    lastErrorAt: datetime | None
    coveredUntil: datetime | None = Field(description="Everything due up to here is queued.")
    nextRun: datetime


class SchedulesReply(Reply):
    schedules: list[Schedule]


class RunScheduleReply(Reply):
    success: Literal[True] = True
    queued: int = Field(description="Jobs added.")


class Brief(Reply):
    """A row of `daily_briefs`; `summary_content` is markdown."""

    id: str
    user_id: str
    brief_date: str
    timezone: str
    generation_status: Literal["pending", "processing", "completed", "failed"]
    generation_error: str | None = None
    generation_started_at: datetime | None = None
    generation_completed_at: datetime | None = None
    summary_content: str | None = None
    project_briefs: list[Any]
    priority_actions: list[Any]
    llm_analysis: str | None = Field(None, description="null: the brief has no AI analysis.")
    llm_model: str | None = None
    created_at: datetime
    updated_at: datetime


class BriefPage(Brief):
    """A brief, ready to be read."""

    summary_html: str | None = Field(description="`summary_content` as safe HTML: no scripts, styles or pictures.")


class BriefsReply(Reply):
    briefs: list[Brief] = Field(description="Latest date first.")
    nextCursor: str | None = Field(description="For the next page; null on the last one.")


class QueuedReply(Reply):
    success: Literal[True] = True
    jobId: str


class ScheduledSms(Reply):
    """How a user is reminded of events by text message. Times of day are HH:MM in the user's own zone."""

    userId: str
    phone_number: str | None
    enabled: bool
    lead_time_minutes: int
    quiet_hours_start: str | None
    quiet_hours_end: str | None
    phone_verified: bool
    opted_out: bool
    daily_sms_limit: int
    urgent_alerts: bool


class ScheduledSmsReply(Reply):
    schedule: list[ScheduledSms]
    nextCursor: str | None = Field(description="For the next page; null on the last one.")


class SmsWishesReply(Reply):
    success: Literal[True] = True
    updated: bool = Field(description="Whether anything is different now.")
