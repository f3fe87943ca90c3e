"""What notifications decide: pure functions, the clock passed in (CONTRACT 8.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from app.queue import notification_events as n
from app.queue.models import PHONE_NUMBER
from app.queue.notification_events import Channel, Payload

TITLE_LENGTH = 120  # characters
BODY_LENGTH = 500  # characters; with title and url a push stays below the 4096 bytes that every push service takes
SMS_LENGTH = 160
MOST_SUBSCRIPTIONS = 10  # browsers of a user that are pushed to; with more, the longest unused gives way

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Content:
    """What is said: a line, some words, and where it leads (an address, a path of the web app, or nowhere)."""

    title: str
    body: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a user has chosen. `event_channels`: the only channels for an event type, where it is listed."""

    push_enabled: bool = True
    email_enabled: bool = True
    in_app_enabled: bool = True
    sms_enabled: bool = True
    do_not_disturb: bool = False
    quiet_hours_start: time | None = None
    quiet_hours_end: time | None = None
    event_channels: Mapping[str, Iterable[str]] | None = None


@dataclass(frozen=True, slots=True)
class Phone:
    """What is known of a user's phone."""

    number: str | None = None
    verified: bool = False
    opted_out: bool = False


def one_line(text: str, limit: int) -> str:
    """`text` without line breaks and control characters, at most `limit` characters, the rest as "…"."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def content(payload: Payload, zone: ZoneInfo) -> Content:
    """What an event says to its user, whose local times are those of `zone`."""
    said = _words(payload, zone)
    return Content(one_line(said.title, TITLE_LENGTH), one_line(said.body, BODY_LENGTH), said.url)


def _words(payload: Payload, zone: ZoneInfo) -> Content:
    match payload:
        case n.BriefCompleted():
            return Content(
                "Your daily brief is ready",
                f"Your brief for {_day(date.fromisoformat(payload.briefDate))}.",
                f"/briefs/{payload.briefDate}",
            )
        case n.BriefFailed(briefDate=None):
            return Content("Your daily brief could not be made", "It will be tried again with the next one.")
        case n.BriefFailed():
            return Content(
                "Your daily brief could not be made",
                f"There is no brief for {_day(date.fromisoformat(payload.briefDate))}.",
            )
        case n.TaskCompleted():
            return Content(f"Done: {payload.taskTitle}", _in_project(payload.projectName), _task_url(payload))
        case n.TaskDueSoon():
            due = f"Due {_when(payload.dueDate, zone)}." if payload.dueDate else "It is due before long."
            return Content(
                f"Due soon: {payload.taskTitle}", f"{due} {_in_project(payload.projectName)}", _task_url(payload)
            )
        case n.PhasesReady():
            named = f" for {payload.projectName}" if payload.projectName else ""
            return Content(
                f"Your phases are ready{named}",
                "" if payload.phaseCount is None else f"{_count(payload.phaseCount, 'phase')} to look at.",
                _path("projects", payload.projectId),
            )
        case n.OnboardingCompleted():
            asked = _count(payload.questionsGenerated, "question") if payload.questionsGenerated else ""
            return Content(
                "We have looked at what you told us",
                f"{asked} to go on with." if asked else "Suggestions are waiting for you.",
                "/onboarding",
            )
        case n.ProjectInvited():
            by = f"{payload.invitedBy} asks you to join." if payload.invitedBy else "You are asked to join."
            return Content(f"Invitation to {payload.projectName}", by, _path("projects", payload.projectId))
        case n.Announcement():
            return Content(payload.title, payload.message or payload.body or "", payload.url)
    raise TypeError(f"no words for {type(payload).__name__}")


def _day(day: date) -> str:
    return f"{_DAYS[day.weekday()]}, {day.day} {_MONTHS[day.month - 1]}"


def _when(value: str, zone: ZoneInfo) -> str:
    if "T" not in value:
        return _day(date.fromisoformat(value))
    try:
        local = datetime.fromisoformat(value).astimezone(zone)
    except OverflowError:  # at the very ends of the calendar
        return value
    return f"{_day(local.date())} at {local:%H:%M}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _in_project(name: str | None) -> str:
    return f"In {name}." if name else ""


def _task_url(payload: n.TaskCompleted | n.TaskDueSoon) -> str:
    if payload.projectId:
        return f"{_path('projects', payload.projectId)}{_path('tasks', payload.taskId)}"
    return _path("tasks", payload.taskId)


def _path(folder: str, name: str) -> str:
    """A path of the web app; an id that could lead elsewhere leads to the folder."""
    return f"/{folder}/{name}" if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f"/{folder}"


def absolute(url: str | None, web_app: str | None) -> str | None:
    """`url` with the web app's address before it where it is a path; None for a path when that address is not known."""
    if url is None or not url.startswith("/"):
        return url
    return f"{web_app}{url}" if web_app else None


def sms_text(said: Content, url: str | None) -> str:
    """A notification in one SMS: the address stays whole where it fits, the words give way."""
    words = ": ".join(part for part in (said.title, said.body) if part)
    if url and len(url) <= SMS_LENGTH // 2:
        return f"{one_line(words, SMS_LENGTH - len(url) - 1)} {url}"
    return one_line(words, SMS_LENGTH)


def as_markdown(text: str) -> str:
    """Plain words as Markdown that shows exactly these characters."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~&:=/@])", r"\\\1", text)


def in_quiet_hours(now: datetime, zone: ZoneInfo, start: time | None, end: time | None) -> bool:
    """Whether `now` lies in quiet hours, local to `zone`: start included, end not, over midnight where start is later; equal is none."""
    if start is None or end is None or start == end:
        return False
    local = now.astimezone(zone).time()
    return start <= local < end if start < end else local >= start or local < end


def refusal(
    channel: Channel,
    event_type: str,
    prefs: Preferences,
    *,
    urgent: bool,
    now: datetime,
    zone: ZoneInfo,
    phone: Phone,
    brief_by_email: bool,
) -> str | None:
    """Why a notification is not to be sent on a channel, in one line for people; None when it is.

    `urgent` passes do-not-disturb and quiet hours, nothing else. `brief_by_email`: finished briefs are mailed anyway.
    """
    switched_on = {
        "push": prefs.push_enabled,
        "email": prefs.email_enabled,
        "in-app": prefs.in_app_enabled,
        "sms": prefs.sms_enabled,
    }
    if not switched_on[channel]:
        return f"{channel} notifications are switched off"
    chosen = (prefs.event_channels or {}).get(event_type)
    if chosen is not None and channel not in chosen:
        return f"{event_type} is not wanted by {channel}"
    if channel == "email" and event_type == "brief.completed" and brief_by_email:
        return "the brief itself is sent by email"
    if channel == "sms":
        if not phone.number or not PHONE_NUMBER.fullmatch(phone.number):
            return "there is no valid phone number"
        if not phone.verified:
            return "the phone number is not verified"
        if phone.opted_out:
            return "the user has opted out of SMS"
    if not urgent and prefs.do_not_disturb:
        return "do not disturb is on"
    if not urgent and in_quiet_hours(now, zone, prefs.quiet_hours_start, prefs.quiet_hours_end):
        return "quiet hours"
    return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the outcomes of the pushes to a user's subscriptions add up to.

    `action`: sent; retry, as a push service asked for time; fall_back, as no browser is known to have got it.
    """

    action: str
    reason: str | None


def verdict(outcomes: Iterable[str], *, last: bool) -> Verdict:
    """From the state of every subscription's push (sent, gone, refused, deferred, unknown). `last`: there is no further attempt."""
    all_of_them = list(outcomes)
    sent = all_of_them.count("sent")
    if "deferred" in all_of_them and not last:
        return Verdict("retry", f"{all_of_them.count('deferred')} of {len(all_of_them)} push services asked to wait")
    if sent:
        return Verdict("sent", None if sent == len(all_of_them) else f"{sent} of {len(all_of_them)} subscriptions")
    if not all_of_them:
        return Verdict("fall_back", "no push subscription")
    counts = ", ".join(f"{all_of_them.count(kind)} {kind}" for kind in dict.fromkeys(all_of_them))
    return Verdict("fall_back", f"every push failed ({counts})")
