"""What each type of job takes and gives: one model each, used by the API, the tasks and the docs (CONTRACT 4).

Keys are spelled as in the JSON. Unknown keys are kept, so that a newer sender and an older worker get along.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import cache
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

FIRST_YEAR, LAST_YEAR = 1970, 2999  # beyond, arithmetic with days and zones leaves what Python and browsers can hold


@cache
def zones() -> frozenset[str]:
    """Every IANA zone that Python knows here; the first to ask waits for some thousand files."""
    return frozenset(available_timezones())


def _known_zone(value: str) -> str:
    if value not in zones():
        raise ValueError("expects an IANA timezone such as Europe/Berlin")
    return value


def parse_date(value: object) -> dt.date:
    """`YYYY-MM-DD` of a day that exists. Raises ValueError saying what is expected."""
    if not (isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII)):
        raise ValueError("expects a date as YYYY-MM-DD")
    try:
        day = dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"there is no day {value}") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"expects a year from {FIRST_YEAR} to {LAST_YEAR}")
    return day


def _iso_date(value: str) -> str:
    return parse_date(value).isoformat()


PHONE_NUMBER = re.compile(r"^\+[1-9]\d{6,14}$", re.ASCII)
"""E.164, for `fullmatch`; whether there is such a number is another question."""


def _phone_number(value: str) -> str:
    if not PHONE_NUMBER.fullmatch(value):
        raise ValueError("expects a phone number such as +14155552671")
    return value


_EMAIL_ADDRESS = re.compile(r"""[^\s@<>"(),:;\[\]\\\x00-\x1f\x7f]+@[^\s@<>"(),:;\[\]\\\x00-\x1f\x7f]+""")


def _email_address(value: str) -> str:
    """One bare address, fit to stand in a header and in an SMTP command."""
    if len(value) > 254 or not _EMAIL_ADDRESS.fullmatch(value) or value.startswith("-") or ".." in value:
        raise ValueError("expects one mail address such as ada@example.com")
    return value


EmailAddress = Annotated[str, AfterValidator(_email_address)]
Timezone = Annotated[str, AfterValidator(_known_zone)]
IsoDate = Annotated[str, AfterValidator(_iso_date)]
PhoneNumber = Annotated[str, AfterValidator(_phone_number), Field(json_schema_extra={"pattern": PHONE_NUMBER.pattern})]
Text = Annotated[str, StringConstraints(min_length=1)]


class Model(BaseModel):
    """Base of every metadata and result."""

    model_config = ConfigDict(extra="allow", defer_build=True)  # a process checks few of them


class JobMetadata(Model):
    """Keys any job may carry."""

    userId: str | None = None  # must agree with the row's user
    correlationId: str | None = None
    retriedFrom: str | None = None
    metadataVersion: Annotated[int, Field(ge=1)] = 1  # of their shape: docs/upgrading.md
    generation_progress: dict[str, Any] | None = None


class BriefOptions(Model):
    isReengagement: bool = False
    daysSinceLastLogin: Annotated[int, Field(ge=0)] = 0


class DailyBriefMetadata(JobMetadata):
    briefDate: IsoDate
    timezone: Timezone | None = None  # else the user's
    forceRegenerate: bool = False
    includeProjects: list[str] | None = None
    excludeProjects: list[str] | None = None
    options: BriefOptions = BriefOptions()
    notificationScheduledFor: str | None = None


class DailyBriefResult(Model):
    briefId: str
    briefDate: str
    projectBriefsGenerated: int
    emailSent: bool  # queued


class BriefEmailMetadata(JobMetadata):
    emailId: UUID
    briefId: UUID
    recipientEmail: EmailAddress


class BriefEmailResult(Model):
    emailId: str
    trackingId: str
    messageId: str | None


class PhasesOptions(Model):
    regenerate: bool = False
    template: str | None = None
    includeExistingTasks: bool = True
    selected_statuses: list[Literal["backlog", "in_progress", "blocked", "done"]] | None = None
    scheduling_method: Literal["phases_only", "schedule_in_phases", "calendar_optimized"] = "phases_only"


class PhasesMetadata(JobMetadata):
    projectId: UUID
    options: PhasesOptions = PhasesOptions()


class PhasesResult(Model):
    projectId: str
    phaseCount: int
    backlogCount: int = 0  # tasks that were to be planned and are in no phase
    plannedBy: Literal["model", "dependencies"] = "model"


class UserContext(Model):
    name: str | None = None
    description: str | None = None
    goals: list[str] = []
    challenges: list[str] = []


class OnboardingOptions(Model):
    forceRegenerate: bool = False


class OnboardingMetadata(JobMetadata):
    userContext: UserContext
    options: OnboardingOptions = OnboardingOptions()


class OnboardingResult(Model):
    analysisId: str
    questionsGenerated: int
    analyzedBy: Literal["model", "rules"] = "model"


class SmsMetadata(JobMetadata):
    """A message to the user's own number. With `message_id` number and words may be left out: that message is sent again."""

    message_id: UUID | None = None
    phone_number: PhoneNumber | None = Field(None, validate_default=True)
    message: Annotated[str, StringConstraints(min_length=1, max_length=1600)] | None = Field(None, validate_default=True)
    eventId: str | None = None
    eventName: str | None = None
    retry_attempt: Annotated[int, Field(ge=0)] | None = None
    urgent: bool = False  # passes quiet hours

    @field_validator("phone_number", "message", mode="after")
    @classmethod
    def _needed(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("message_id") is None:
            raise ValueError("is required")
        return value


class SmsResult(Model):
    messageSid: str | None  # null: postponed, to the job `postponedTo`
    deliveryId: str | None
    postponedTo: str | None = None


class DailySmsMetadata(JobMetadata):
    date: IsoDate
    timezone: Timezone
    leadTimeMinutes: Annotated[int, Field(ge=0, le=1440)] = 15


class DailySmsResult(Model):
    scheduled_count: int
    skipped_count: int
    failed_count: int


class NotificationEmailMetadata(JobMetadata):
    """Either `title` with `body` (Markdown) and a button to `url`, or `htmlContent`/`textContent`, or the email `emailId`."""

    template: Text = "notification"
    recipientEmail: EmailAddress
    subject: str | None = None  # else the title
    title: str | None = None
    body: str | None = None
    url: str | None = None
    actionLabel: str | None = None
    htmlContent: str | None = None
    textContent: str | None = None
    emailId: UUID | None = None
    deliveryId: str | None = None
    eventId: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> NotificationEmailMetadata:
        if not (self.emailId or self.title or self.subject):
            raise ValueError("expects a title, a subject or an emailId")
        return self


class EmailMetadata(JobMetadata):
    to: EmailAddress
    subject: Text
    html: str | None = None
    text: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> EmailMetadata:
        if not (self.html or self.text):
            raise ValueError("expects html or text")
        return self


class MessageResult(Model):
    messageId: str | None


LONGEST_BRAIN_DUMP = 50_000  # characters
BrainDumpText = Annotated[str, StringConstraints(max_length=LONGEST_BRAIN_DUMP, pattern=r"\S")]


class BrainDumpMetadata(JobMetadata):
    text: BrainDumpText
    projectId: UUID | None = None
    autoAccept: bool = False


class BrainDumpResult(Model):
    brainDumpId: str
    status: Literal["proposed", "applied"]
    executed: bool
    source: Literal["model", "rules"]
    operations: list[dict[str, Any]]
    result: dict[str, Any] | None = None  # what each operation did


class CalendarSyncMetadata(JobMetadata):
    """`calendarId`: the connection's id, or Google's of the calendar. `syncToken` takes the place of the stored one."""

    calendarId: Text
    syncToken: str | None = None


class CalendarSyncResult(Model):
    """`added` to `removed` count occurrences; `skipped` are changes of our own that came back; `problems` names at most 20 of `refused`."""

    connectionId: str
    provider: str
    mode: Literal["full", "incremental", "unchanged", "superseded"]
    pages: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: int = 0
    pushed: int = 0
    refused: int = 0
    problems: list[str] = []
    channelRenewed: bool = False


class RecurringTasksMetadata(JobMetadata):
    date: IsoDate


Hours = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Days = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]


class CleanupMetadata(JobMetadata):
    date: IsoDate | None = None  # the day it is for, where a schedule added it
    staleThresholdHours: Hours | None = None  # none: no live job is touched
    oldFailedJobsDays: Days | None = None  # none: QUEUE_FAILED_KEPT_DAYS


class CleanupResult(Model):
    staleCancelled: int
    archived: int
    historiesRemoved: int
    monthsDropped: list[str]


class RecurringTasksResult(Model):
    created: int
    ended: int
    invalid: int


class OpenResult(Model):
    """Counts and the like, named by the type's own page."""
