"""Every type of job, once: its label, its queue, its priority, its models, how long it may take (CONTRACT 4).

A type of your own is added from outside, by a module that JOB_MODULES names: `app.jobs`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from app.formats.faults import say
from app.queue import models as m
from app.queue import notification_events as n
from app.queue.errors import InvalidMetadata, NewerMetadata, describe

Upcast = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class JobType:
    """One type of job.

    `label` is what people read; `queue` is the Celery queue its messages go to; `priority` the default of a job added over HTTP (1 = highest).
    Jobs of a `leasable` type are short, and may share a message while many wait. `soft_limit` and `hard_limit` are seconds: at the first the run is asked to stop, at the second its process is ended.
    `run` is the processor of a type from outside; ours are named in `tasks`.
    `provider` (llm, sms or mail) is whom the job asks outside: its limits hold for all types that name it.
    `alone` names the work of which one live job at a time may be, of `user` and of the metadata's fields; None: any number.
    `upcasts` make metadata of an older shape into the present one, a step each: the first those of version 1 into those of 2.
    """

    name: str
    label: str
    queue: str
    metadata: type[BaseModel]
    result: type[BaseModel]
    priority: int = 5
    soft_limit: int = 240
    hard_limit: int = 300
    max_attempts: int = 3
    needs_user: bool = True
    leasable: bool = False
    run: Callable[[Any], Any] | None = None
    provider: str | None = None
    alone: str | None = None
    upcasts: tuple[Upcast, ...] = ()

    @property
    def version(self) -> int:
        """Version of the metadata's shape that `metadata` is the model of, from 1."""
        return len(self.upcasts) + 1


_TYPES = (
    JobType("generate_daily_brief", "Daily brief", "briefs", m.DailyBriefMetadata, m.DailyBriefResult, 10, 540, 600, provider="llm", alone="brief-{user}-{briefDate}"),
    JobType("generate_brief_email", "Brief by mail", "email", m.BriefEmailMetadata, m.BriefEmailResult, provider="mail"),
    JobType("generate_phases", "Project phases", "planning", m.PhasesMetadata, m.PhasesResult, 5, 540, 600, provider="llm", alone="phases-{user}-{projectId}"),
    JobType("onboarding_analysis", "Onboarding analysis", "planning", m.OnboardingMetadata, m.OnboardingResult, 1, 540, 600, provider="llm", alone="onboarding-{user}"),
    JobType("send_sms", "Text message", "notify", m.SmsMetadata, m.SmsResult, 10, 50, 60, leasable=True, provider="sms"),
    JobType("schedule_daily_sms", "Day's reminders", "notify", m.DailySmsMetadata, m.DailySmsResult, 5, 110, 120, leasable=True),
    JobType("send_notification", "Notification", "notify", n.NotificationMetadata, n.NotificationResult, 5, 110, 120, leasable=True),
    JobType("send_notification_email", "Notification by mail", "email", m.NotificationEmailMetadata, m.MessageResult, provider="mail"),
    JobType("process_brain_dump", "Brain dump", "planning", m.BrainDumpMetadata, m.BrainDumpResult, 5, 540, 600, provider="llm"),
    JobType("send_email", "Mail", "email", m.EmailMetadata, m.MessageResult, provider="mail"),
    JobType("sync_calendar", "Calendar sync", "upkeep", m.CalendarSyncMetadata, m.CalendarSyncResult, 5, 540, 600),
    JobType("update_recurring_tasks", "Recurring tasks", "upkeep", m.RecurringTasksMetadata, m.RecurringTasksResult, 10, 540, 600, needs_user=False),
    JobType("cleanup_old_data", "Cleanup", "upkeep", m.CleanupMetadata, m.CleanupResult, 10, 3540, 3600, needs_user=False),
    JobType("other", "Other", "upkeep", m.JobMetadata, m.OpenResult, 10, needs_user=False),
)

JOB_TYPES: dict[str, JobType] = {job_type.name: job_type for job_type in _TYPES}
OURS = frozenset(JOB_TYPES)


def find_type(name: str) -> JobType:
    """The type of that name. Raises InvalidMetadata where this process knows none: its module is missing in JOB_MODULES here."""
    known = JOB_TYPES.get(name)
    if known is None:
        raise InvalidMetadata("jobType", f"{name} is not known here: is its module in JOB_MODULES?")
    return known


def queues() -> tuple[str, ...]:
    """Every queue that a type names, once."""
    return tuple(dict.fromkeys(job_type.queue for job_type in JOB_TYPES.values()))


def types_of_queues(queues: set[str]) -> list[str]:
    """Names of the job types whose messages go to one of `queues`."""
    return [job_type.name for job_type in JOB_TYPES.values() if job_type.queue in queues]


def upcast(known: JobType, metadata: dict[str, Any]) -> dict[str, Any]:
    """`metadata` in the present shape, whichever release they are of; `metadataVersion` says so, and is 1 where it is missing.

    Raises NewerMetadata where the version is of a later release, InvalidMetadata where it is none or the older shape is not kept to.
    """
    version = metadata.get("metadataVersion", 1)
    if type(version) is not int or version < 1:
        raise InvalidMetadata("metadata.metadataVersion", "expects a whole number from 1")
    if version > known.version:
        raise NewerMetadata(version, known.version)
    for number, step in enumerate(known.upcasts[version - 1 :], start=version):
        try:
            metadata = {**step(dict(metadata)), "metadataVersion": number + 1}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidMetadata("metadata", f"is not as version {number} says: {describe(error)}") from None
    return metadata


def read_metadata(job_type: str, metadata: dict[str, Any], user_id: UUID | None) -> BaseModel:
    """`metadata`, of this release or an older one, as their type's model. Raises InvalidMetadata naming the first field that is
    wrong, and NewerMetadata."""
    known = find_type(job_type)
    try:
        parsed = known.metadata.model_validate(upcast(known, metadata))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidMetadata(f"metadata.{field}".rstrip("."), say(first)) from None
    named = getattr(parsed, "userId", None)
    if named is not None and named.lower() != str(user_id).lower():
        raise InvalidMetadata("metadata.userId", "is not the user of the job")
    return parsed
