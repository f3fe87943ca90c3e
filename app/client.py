"""A small typed client of the HTTP API (CONTRACT 5): one method per endpoint.

    client = Client("http://127.0.0.1:3001")
    queued = client.queue_brief(user_id)
    client.job(queued.jobId).status

Every call waits 10 seconds at most (what goes through many jobs ten minutes) and raises `ClientError` when it does not succeed; nothing is tried twice.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import requests
from pydantic import BaseModel, ValidationError

from app.client_operators import LONG_WORK, OperatorCalls, given, part
from app.formats import sse
from app.web import calendar as c
from app.web import notification_schemas as n
from app.web import plan_schemas as p
from app.web import schemas as s
from app.web import user_schemas as u
from app.web.braindumps import BrainDump, ConfirmReply
from app.web.calendar_files import ImportReply

TIMEOUT = 10.0  # seconds
LONGEST_SILENCE = 30.0  # seconds without a sign of life after which a stream is given up

R = TypeVar("R", bound=BaseModel)


class ClientError(Exception):
    """The call did not succeed. `status` is None when there was no answer (`code` is then `unreachable` or `timeout`)."""

    def __init__(self, message: str, *, status: int | None = None, code: str = "unreachable", details: Any = None):
        super().__init__(message)
        self.message, self.status, self.code, self.details = message, status, code, details


class StreamEvent(NamedTuple):
    """Something a stream tells."""

    name: str
    data: dict[str, Any]


class Client(OperatorCalls):
    """The API at `url`; `token` is the service key or a user's token where AUTH_MODE=jwt asks for one."""

    def __init__(self, url: str, *, token: str | None = None, timeout: float = TIMEOUT):
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # our own API is not behind the machine's proxy
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def health(self) -> s.HealthReply:
        """The state of the system; `unhealthy` is an answer, not an error."""
        return self._call("GET", "/health", s.HealthReply, also=(503,))

    def queue_brief(
        self,
        user_id: str,
        *,
        scheduled_for: dt.datetime | None = None,
        brief_date: dt.date | str | None = None,
        timezone: str | None = None,
        force_immediate: bool = False,
        force_regenerate: bool = False,
        include_projects: list[str] | None = None,
        exclude_projects: list[str] | None = None,
    ) -> s.QueueBriefReply:
        """Queue a daily brief, or find the job that makes it already. `scheduled_for` is aware."""
        options = given(includeProjects=include_projects, excludeProjects=exclude_projects)
        body = given(
            userId=str(user_id),
            scheduledFor=scheduled_for.isoformat() if scheduled_for else None,
            briefDate=str(brief_date) if brief_date else None,
            timezone=timezone,
            forceImmediate=force_immediate or None,
            forceRegenerate=force_regenerate or None,
            options=options or None,
        )
        return self._call("POST", "/queue/brief", s.QueueBriefReply, json=body)

    def cancel_brief(self, user_id: str, brief_date: dt.date | str) -> int:
        """Cancel the live brief jobs of a date; how many there were."""
        body = {"userId": str(user_id), "briefDate": str(brief_date)}
        return self._call("POST", "/queue/brief/cancel", s.CancelBriefReply, json=body).cancelledJobs

    def job(self, job_id: str) -> s.Job:
        """A job by its jobId or its uuid."""
        return self._call("GET", f"/jobs/{part(job_id)}", s.Job)

    def job_events(self, job_id: str) -> list[s.JobEvent]:
        """The history of a job, oldest first."""
        return self._call("GET", f"/jobs/{part(job_id)}/events", s.JobEventsReply).events

    def cancel_job(self, job_id: str) -> s.CancelJobReply:
        """Cancel a job that has not ended; 409 when it has."""
        return self._call("POST", f"/jobs/{part(job_id)}/cancel", s.CancelJobReply)

    def retry_job(self, job_id: str) -> s.RetryJobReply:
        """Run a failed or cancelled job again as a new one; 409 in another state."""
        return self._call("POST", f"/jobs/{part(job_id)}/retry", s.RetryJobReply)

    def queue_job(self, job_id: str) -> s.QueueJobReply:
        """Status, progress and result of a job."""
        return self._call("GET", f"/api/queue-jobs/{part(job_id)}", s.QueueJobReply)

    def cancel_queue_job(self, job_id: str) -> s.CancelJobReply:
        """Cancel a job that has not ended; 409 when it has."""
        return self._call("DELETE", f"/api/queue-jobs/{part(job_id)}", s.CancelJobReply)

    def queue_stats(self) -> list[s.Count]:
        """Jobs by type and status."""
        return self._call("GET", "/queue/stats", s.StatsReply).stats

    def user_jobs(
        self,
        user_id: str,
        *,
        type: str | None = None,
        status: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> s.JobsReply:
        """A page of a user's jobs, newest first."""
        query = given(type=type, status=status, limit=limit, cursor=cursor)
        return self._call("GET", f"/users/{part(user_id)}/jobs", s.JobsReply, params=query)

    def user_briefs(self, user_id: str, *, limit: int = 20, cursor: str | None = None) -> s.BriefsReply:
        """A page of a user's briefs, latest date first."""
        query = given(limit=limit, cursor=cursor)
        return self._call("GET", f"/users/{part(user_id)}/briefs", s.BriefsReply, params=query)

    def user_brief(self, user_id: str, brief_date: dt.date | str) -> s.BriefPage:
        """A user's brief of a date, as Markdown and as HTML; 404 when there is none."""
        return self._call("GET", f"/users/{part(user_id)}/briefs/{part(brief_date)}", s.BriefPage)

    def user(self, user_id: str) -> u.Profile:
        """Who a user is, and which date it is there."""
        return self._call("GET", f"/users/{part(user_id)}", u.Profile)

    def user_projects(self, user_id: str) -> list[u.ProjectShown]:
        """A user's projects, active ones first."""
        return self._call("GET", f"/users/{part(user_id)}/projects", u.ProjectsReply).projects

    def user_day(self, user_id: str, date: dt.date | str) -> u.DayReply:
        """The events and due tasks of a date, as it is where the user lives."""
        return self._call("GET", f"/users/{part(user_id)}/days/{part(date)}", u.DayReply)

    def user_texts(self, user_id: str, date: dt.date | str) -> list[u.TextMessage]:
        """The text messages of a date, sent or to be sent."""
        return self._call("GET", f"/users/{part(user_id)}/sms/{part(date)}", u.TextsReply).messages

    def import_calendar(self, user_id: str, content: bytes) -> ImportReply:
        """Import an iCalendar file; what was refused is in the reply."""
        headers, query = {"Content-Type": "text/calendar"}, {"userId": str(user_id)}
        path = "/api/calendar/events/import"
        return self._call("POST", path, ImportReply, params=query, data=content, headers=headers)

    def connect_google(self, user_id: str, *, calendar_id: str = "primary") -> str:
        """The address of Google's page of consent, for the user's browser."""
        body = {"userId": str(user_id), "calendarId": calendar_id}
        return str(self._call("POST", "/api/calendar/connect", c.ConnectReply, json=body).url)

    def connect_feed(self, user_id: str, url: str, *, name: str | None = None) -> c.ConnectReply:
        """Connect an .ics address: the connection, and the job that reads it first."""
        body = given(userId=str(user_id), provider="feed", url=url, name=name)
        return self._call("POST", "/api/calendar/connect", c.ConnectReply, json=body)

    def calendar_connections(self, user_id: str) -> list[c.ConnectionShown]:
        """The calendars a user has connected."""
        query = {"userId": str(user_id)}
        return self._call("GET", "/api/calendar/connections", c.ConnectionsReply, params=query).connections

    def disconnect_calendar(self, connection_id: str) -> None:
        """Take a calendar off, with its events."""
        self._call("DELETE", f"/api/calendar/connections/{part(connection_id)}", c.Done)

    def sync_calendar(self, user_id: str, calendar_id: str) -> c.SyncReply:
        """Bring a connected calendar up to date now."""
        body = {"userId": str(user_id), "calendarId": calendar_id}
        return self._call("POST", "/queue/calendar-sync", c.SyncReply, json=body)

    def put_task_into_calendar(
        self, task_id: str, *, start: dt.datetime | None = None, minutes: int | None = None, all_day: bool | None = None
    ) -> c.TaskReply:
        """Put a task into the calendar, or find it there. `start` is aware and becomes the task's own."""
        body = given(start=start.isoformat() if start else None, durationMinutes=minutes, allDay=all_day)
        return self._call("POST", f"/api/tasks/{part(task_id)}/calendar", c.TaskReply, json=body)

    def take_task_out_of_calendar(self, task_id: str) -> bool:
        """Whether it stood there."""
        return self._call("DELETE", f"/api/tasks/{part(task_id)}/calendar", c.TaskGoneReply).removed

    def queue_bulk(self, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Queue up to 1,000 jobs in one transaction; in order, `{jobId, deduplicated, scheduledFor}` or `{error, code}`."""
        return self._call("POST", "/queue/bulk", s.BulkReply, json={"jobs": jobs}, timeout=LONG_WORK).results

    def queue_notification(
        self,
        user_id: str,
        channel: str,
        event_type: str,
        payload: dict[str, Any],
        metadata: dict[str, Any] | None = None,
    ) -> n.QueueNotificationReply:
        """Queue a notification on one channel: push, email, in-app or sms."""
        body = given(userId=str(user_id), channel=channel, eventType=event_type, payload=payload, metadata=metadata)
        return self._call("POST", "/queue/notification", n.QueueNotificationReply, json=body)

    def queue_email(
        self, user_id: str, to: str, subject: str, *, html: str | None = None, text: str | None = None
    ) -> n.QueueEmailReply:
        """Queue a mail; `html` or `text`, or both."""
        body = given(userId=str(user_id), to=to, subject=subject, html=html, text=text)
        return self._call("POST", "/queue/email", n.QueueEmailReply, json=body)

    def notifications(
        self, user_id: str, *, limit: int = 20, cursor: str | None = None, unread: bool = False
    ) -> n.NotificationsReply:
        """A page of what a user sees in the app, newest first."""
        query = given(limit=limit, cursor=cursor, unread="true" if unread else None)
        return self._call("GET", f"/users/{part(user_id)}/notifications", n.NotificationsReply, params=query)

    def read_notification(self, user_id: str, notification_id: str) -> n.ReadReply:
        """Note that the user has read it; 404 when it is not theirs."""
        return self._call("POST", f"/users/{part(user_id)}/notifications/{part(notification_id)}/read", n.ReadReply)

    def preferences(self, user_id: str) -> n.PreferencesReply:
        """Brief, SMS and notification preferences."""
        return self._call("GET", f"/users/{part(user_id)}/preferences", n.PreferencesReply)

    def change_preferences(self, user_id: str, **parts: Any) -> n.PreferencesReply:
        """Change what is given: `brief={"is_active": True}`, `sms={…}`, `notifications={…}`, `timezone="Europe/Berlin"`."""
        return self._call("PUT", f"/users/{part(user_id)}/preferences", n.PreferencesReply, json=parts)

    def push_key(self) -> str | None:
        """The key that browsers subscribe to pushes with; None where there is none."""
        return self._call("GET", "/push/public-key", n.PushKeyReply).publicKey

    def subscribe_to_push(self, user_id: str, subscription: dict[str, Any]) -> n.SubscribeReply:
        """Keep a browser's subscription, as its `toJSON()` gives it."""
        body = {**subscription, "userId": str(user_id)}
        return self._call("POST", "/push/subscriptions", n.SubscribeReply, json=body)

    def unsubscribe_from_push(self, user_id: str, endpoint: str) -> bool:
        """Forget a browser's subscription; False when there was none."""
        body = {"userId": str(user_id), "endpoint": endpoint}
        return self._call("DELETE", "/push/subscriptions", n.UnsubscribeReply, json=body).removed

    def queue_brain_dump(
        self, user_id: str, text: str, *, project_id: str | None = None, auto_accept: bool = False
    ) -> str:
        """Queue a brain dump; the job's id."""
        body = given(userId=str(user_id), text=text, projectId=project_id, autoAccept=auto_accept or None)
        return self._call("POST", "/queue/brain-dump", s.QueuedReply, json=body).jobId

    def stream_brain_dump(
        self, text: str, *, user_id: str | None = None, project_id: str | None = None, auto_accept: bool = False
    ) -> Iterator[StreamEvent]:
        """Sort a brain dump and iterate over what happens, as it happens, down to `complete` or `error`.

        `restart` makes the tokens of its phase void. Whoever stops iterating (`close`) ends the work. Raises ClientError with
        the code `broken_off` when the line goes dead before the end. A user's token needs no `user_id`.
        """
        body = given(userId=user_id, text=text, projectId=project_id, autoAccept=auto_accept or None)
        timeout = (self._timeout, LONGEST_SILENCE)
        with self._send("POST", "/api/braindumps/stream", json=body, stream=True, timeout=timeout) as answer:
            if not answer.ok:
                self._read(answer, BrainDump, ())
            try:
                lines = (line.decode() for line in answer.iter_lines(chunk_size=None, delimiter=b"\n"))
                for name, data in sse.events(lines):
                    yield StreamEvent(name, json.loads(data))
                    if name in ("complete", "error"):
                        return
            except requests.RequestException:
                pass
        raise ClientError("the stream broke off before its end", code="broken_off")

    def brain_dump(self, brain_dump_id: str) -> BrainDump:
        """A brain dump and what became of it."""
        return self._call("GET", f"/api/braindumps/{part(brain_dump_id)}", BrainDump)

    def confirm_brain_dump(self, brain_dump_id: str) -> ConfirmReply:
        """Carry out what it proposed; a second time the answer is the same. 409 when there is nothing to confirm."""
        return self._call("POST", f"/api/braindumps/{part(brain_dump_id)}/confirm", ConfirmReply)

    def queue_sms(
        self, user_id: str, phone_number: str, message: str, *, urgent: bool = False, scheduled_for: dt.datetime | None = None
    ) -> str:
        """Queue a text message to the user's own number; the job's id. `scheduled_for` is aware."""
        body = given(
            userId=str(user_id),
            phone_number=phone_number,
            message=message,
            urgent=urgent or None,
            scheduledFor=scheduled_for.isoformat() if scheduled_for else None,
        )
        return self._call("POST", "/queue/sms", s.QueuedReply, json=body).jobId

    def sms_scheduled(self, user_id: str | None = None, *, cursor: str | None = None) -> s.ScheduledSmsReply:
        """How a user is reminded of events; without one, everybody, a page at a time (operators)."""
        query = given(userId=str(user_id) if user_id else None, cursor=cursor)
        return self._call("GET", "/sms/scheduled", s.ScheduledSmsReply, params=query)

    def change_sms_scheduled(self, user_id: str, **wishes: Any) -> bool:
        """Change how a user is reminded, by the keys of `POST /sms/scheduled`; whether anything is different now."""
        return self._call("POST", "/sms/scheduled", s.SmsWishesReply, json={"userId": str(user_id), **wishes}).updated

    def queue_phases(self, user_id: str, project_id: str, **options: Any) -> p.CorrelatedReply:
        """Queue phases for a project; 409 while some are made. Options: regenerate, template, includeExistingTasks, selected_statuses,
        scheduling_method."""
        body = given(userId=str(user_id), projectId=str(project_id), options=options or None)
        return self._call("POST", "/queue/phases", p.CorrelatedReply, json=body)

    def generate_phases(self, project_id: str, *, user_id: str | None = None, **options: Any) -> p.Plan:
        """Make phases now and wait for them, some minutes if need be. A user's token needs no `user_id`."""
        body = given(userId=user_id and str(user_id), options=options or None)
        path = f"/api/projects/{part(project_id)}/phases/generate"
        return self._call("POST", path, p.GeneratePhasesReply, json=body, timeout=LONG_WORK).data

    def phases(self, project_id: str) -> p.Plan:
        """A project's phases, and the tasks that are in none."""
        return self._call("GET", f"/projects/{part(project_id)}/phases", p.Plan)

    def queue_onboarding(
        self,
        user_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        goals: list[str] | None = None,
        challenges: list[str] | None = None,
        force_regenerate: bool = False,
    ) -> p.CorrelatedReply:
        """Queue an analysis of what a new user tells; 409 while one runs, unless forced."""
        context = given(name=name, description=description, goals=goals, challenges=challenges)
        body = {"userId": str(user_id), "userContext": context, "options": {"forceRegenerate": force_regenerate}}
        return self._call("POST", "/queue/onboarding", p.CorrelatedReply, json=body)

    def onboarding(self, user_id: str) -> p.OnboardingReply:
        """What was found out about a user."""
        return self._call("GET", f"/users/{part(user_id)}/onboarding", p.OnboardingReply)

    def _call(self, method: str, path: str, reply: type[R], also: tuple[int, ...] = (), **parts: Any) -> R:
        return self._read(self._send(method, path, **parts), reply, also)

    def _send(self, method: str, path: str, **parts: Any) -> requests.Response:
        try:
            return self._session.request(method, self.url + path, **{"timeout": self._timeout, **parts})
        except requests.Timeout:
            raise ClientError(f"no answer within {self._timeout:g} s from {self.url}", code="timeout") from None
        except requests.RequestException:
            raise ClientError(f"nobody answers at {self.url}") from None

    def _read(self, answer: requests.Response, reply: type[R], also: tuple[int, ...]) -> R:
        try:
            body = answer.json()
            if answer.ok or answer.status_code in also:
                return reply.model_validate(body)
            raise ClientError(body["error"], status=answer.status_code, code=body["code"], details=body.get("details"))
        except (ValueError, ValidationError, KeyError, TypeError):
            message = f"{self.url} answered {answer.status_code} with something else than our API"
            raise ClientError(message, status=answer.status_code, code="unexpected_answer") from None
