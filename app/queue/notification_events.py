"""What may be told to a user: each event type once, with the payload it takes (CONTRACT 8.4)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    ValidationError,
    model_validator,
)

from app.formats.faults import say
from app.queue.errors import InvalidMetadata
from app.queue.models import IsoDate, JobMetadata, Model

Channel = Literal["push", "email", "in-app", "sms"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

LONGEST_TEXT = 5000  # characters of a text in a payload; what is shown of it is shorter

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain the character NUL")
    return value


def _when(value: str) -> str:
    """A day, or an instant with its offset."""
    try:
        if _INSTANT.fullmatch(value):
            datetime.fromisoformat(value).astimezone(UTC)
        else:
            date.fromisoformat(value if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII) else "")
    except (ValueError, OverflowError):
        raise ValueError("expects YYYY-MM-DD, or a time with its offset as 2026-11-21T09:00:00Z") from None
    return value


def _link(value: str) -> str:
    """http(s), or a path of the web app: whatever a browser may follow without harm."""
    if not (re.match(r"https?://[^/\\\s]", value) or re.match(r"/(?![/\\])", value)) or not value.isprintable():
        raise ValueError("expects an http(s) address, or a path such as /projects")
    return value


Words = Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_storable)]
Id = Annotated[StrictStr, Field(min_length=1, max_length=200), AfterValidator(_storable)]
When = Annotated[StrictStr, AfterValidator(_when)]
Link = Annotated[StrictStr, Field(max_length=1000), AfterValidator(_storable), AfterValidator(_link)]


class Payload(BaseModel):
    """Base of every payload. Keys that are not known are kept. `urgent` passes do-not-disturb."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    urgent: StrictBool = False


class BriefCompleted(Payload):
    """A daily brief is there."""

    briefId: Id
    briefDate: IsoDate
    timezone: Id | None = None


class BriefFailed(Payload):
    """A daily brief could not be made."""

    briefDate: IsoDate | None = None
    error: StrictStr | None = None


class TaskCompleted(Payload):
    """A task was done."""

    taskId: Id
    taskTitle: Words
    projectId: Id | None = None
    projectName: Words | None = None


class TaskDueSoon(Payload):
    """A task is due before long; `dueDate` is a day or an instant."""

    taskId: Id
    taskTitle: Words
    dueDate: When | None = None
    projectId: Id | None = None
    projectName: Words | None = None


class PhasesReady(Payload):
    """A project was split into phases."""

    projectId: Id
    projectName: Words | None = None
    phaseCount: Annotated[int, Field(strict=True, ge=0)] | None = None


class OnboardingCompleted(Payload):
    """What a new user told was analysed."""

    analysisId: Id | None = None
    questionsGenerated: Annotated[int, Field(strict=True, ge=0)] | None = None


class ProjectInvited(Payload):
    """Somebody asks the user into a project."""

    projectId: Id
    projectName: Words
    invitedBy: Words | None = None


class Announcement(Payload):
    """Words of whoever runs the system."""

    title: Words
    message: Words | None = None
    body: Words | None = Field(None, description="The same as message.")
    url: Link | None = None


EVENTS: dict[str, type[Payload]] = {
    "brief.completed": BriefCompleted,
    "brief.failed": BriefFailed,
    "task_completed": TaskCompleted,
    "task.due_soon": TaskDueSoon,
    "phases.ready": PhasesReady,
    "onboarding.completed": OnboardingCompleted,
    "project.invited": ProjectInvited,
    "system.announcement": Announcement,
}
EventType = Literal[tuple(EVENTS)]


class NotificationMetadata(JobMetadata):
    """One notification on one channel. Beside it may stand whatever the sender wants to find again."""

    channel: Channel
    eventType: EventType
    payload: dict[str, Any]
    urgent: StrictBool = False

    @model_validator(mode="after")
    def _payload_of_its_event(self) -> NotificationMetadata:
        try:
            read_payload(self.eventType, self.payload)
        except InvalidMetadata as error:
            raise ValueError(str(error)) from None
        return self


class NotificationResult(Model):
    """`channel` is the one that carried it: in-app where every push failed."""

    deliveryId: str
    status: Literal["sent", "failed", "skipped"]
    channel: Channel
    reason: str | None = None


def read_payload(event_type: str, payload: dict[str, Any]) -> Payload:
    """`payload` as its event's model. Raises InvalidMetadata naming the first field that is wrong, KeyError for an unknown event."""
    try:
        return EVENTS[event_type].model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(("payload", *(str(part) for part in first["loc"])))
        raise InvalidMetadata(field, say(first)) from None
