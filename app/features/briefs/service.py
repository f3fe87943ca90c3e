"""A daily brief from its job to its row: fetch, write each project, put together, analyse, save (CONTRACT 8.1)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from app.features.briefs import prompts, repository, rules
from app.features.briefs.answer import clean_answer
from app.features.briefs.holiday import holidays_on
from app.features.briefs.models import Analysis, Brief, BriefData, Day, Note, Person, ProjectData, Section, Task
from app.features.briefs.render import render_brief, render_section
from app.features.briefs.steps import Steps
from app.features.briefs.text import long_date
from app.ports.clock import Clock
from app.ports.llm import LLM, LLMUnavailable
from app.queue.adding import add_job
from app.queue.errors import PermanentError
from app.queue.models import DailyBriefMetadata, DailyBriefResult
from app.queue.running import RunningJob
from app.queue.telling import Announce
from app.queue.waiting import TICK_SECONDS
from app.realtime.events import emit

log = logging.getLogger(__name__)

ERROR_LENGTH = 2000  # characters of an error kept with the brief
# Repeating events are worked out no further: a brief for the year 9000 must not fill the database with a daily meeting.
FARTHEST_EXPANSION = timedelta(days=2 * 366)

# Brings a user's repeating events up to a day: given a connection, the user and the last instant that must be covered.
ExpandCalendar = Callable[[Connection, UUID, datetime], object]


class BriefService:
    """Makes daily briefs. Holds no state of its own: one instance serves every job of a process."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        llm: LLM,
        *,
        expand_calendar: ExpandCalendar | None = None,
        announce: Announce | None = None,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._llm = llm
        self._expand_calendar = expand_calendar
        self._announce = announce or (lambda *_, **__: None)
        self._tick_seconds = tick_seconds

    def generate(self, job: RunningJob) -> DailyBriefResult:
        """Make the brief of `job.metadata.briefDate` and save it, its email and its event in one transaction.

        Raises PermanentError for an unknown user, timezone or day; LeaseLost when the job is no longer ours; what the
        database raises as it comes. Nothing the language model does is an error. A job whose brief is saved already
        answers with it and does nothing again. When the job is cancelled, the database takes down the sign "is being made".
        """
        metadata: DailyBriefMetadata = job.metadata
        started = self._clock.now()
        steps = Steps(job, every=self._tick_seconds)
        steps.at("fetching", 5, "Fetching your projects, tasks and calendar")

        person, home, day = self._who_and_when(job, metadata)
        with job.transaction() as conn:
            if saved := repository.find_saved(conn, job.user_id, day.date, job.id):
                return _result(saved.brief_id, day, saved.projects, saved.email_queued)
            repository.mark_processing(conn, job.user_id, day, job.id, started)

        calendar_current = self._bring_calendar_up_to_date(job, day, started)
        data = self._fetch(job, metadata, day, started)
        sections = self._write_sections(steps, data, day, home, started)

        steps.at("consolidating", 65, "Putting the brief together")
        brief = self._consolidate(metadata, person, data, sections, day, calendar_current)
        analysis = self._analyse(steps, brief)

        steps.at("saving", 90, "Saving the brief")
        result = self._save(job, brief, analysis, started)
        steps.at("done", 100, "Your brief is ready")
        return result

    def failed(
        self, conn: Connection, *, job_id: UUID, user_id: UUID | None, metadata: dict[str, Any], error: str, final: bool
    ) -> None:
        """Record, in the transaction that ends the job's run, that it failed. `final`: there is no further attempt.

        Marks the day's brief as failed unless a finished one is there, and tells the user after the last attempt. The
        metadata may be anything: a job may have failed because of it.
        """
        if user_id is None:
            return
        error = error.replace("\x00", "")[:ERROR_LENGTH]
        given = metadata.get("briefDate") if isinstance(metadata, dict) else None
        day = _iso_date(given)
        if day is not None:
            timezone = metadata.get("timezone")
            known = timezone if isinstance(timezone, str) and rules.find_zone(timezone) else None
            repository.mark_failed(conn, user_id, day, known, job_id, error)
        if final:
            payload = {"error": error, "briefDate": day.isoformat() if day else str(given or "")[:40]}
            emit(conn, user_id, "brief_failed", payload, key=f"brief_failed:{job_id}")
            given = metadata.get("correlationId") if isinstance(metadata, dict) else None
            told = {"error": error, "briefDate": day.isoformat() if day else None}
            correlation_id = given if isinstance(given, str) else str(job_id)
            self._announce(conn, user_id, "brief.failed", told, correlation_id=correlation_id, key=f"{job_id}-failed")

    def _who_and_when(self, job: RunningJob, metadata: DailyBriefMetadata) -> tuple[Person, ZoneInfo, Day]:
        """The user, the zone their date-only tasks live in, and the day of the brief in the zone asked for, else theirs."""
        if job.user_id is None:
            raise PermanentError("user_id: a daily brief needs a user")
        with self._engine.connect() as conn:
            person = repository.find_person(conn, job.user_id)
        if person is None:
            raise PermanentError("user_id: there is no such user")
        home = rules.find_zone(person.timezone)
        if metadata.timezone:
            zone = rules.find_zone(metadata.timezone)
            if zone is None:
                raise PermanentError(f"timezone: {metadata.timezone[:60]!r} is not an IANA timezone")
        elif home is None:
            raise PermanentError(f"users.timezone: {person.timezone[:60]!r} is not an IANA timezone")
        else:
            zone = home
        return person, home or zone, rules.local_day(date.fromisoformat(metadata.briefDate), zone)

    def _bring_calendar_up_to_date(self, job: RunningJob, day: Day, now: datetime) -> bool:
        """Whether repeating events are there for the day. One that cannot be expanded costs a remark, not the brief."""
        if self._expand_calendar is None:
            return True
        if day.start > now + FARTHEST_EXPANSION:
            return False
        try:
            with job.transaction() as conn:
                self._expand_calendar(conn, job.user_id, day.end + repository.ZONES_APART)
        except DBAPIError:
            raise  # the database's trouble is the job's: it is tried again
        except Exception:
            log.exception("brief.calendar_not_expanded user_id=%s", job.user_id)
            return False
        return True

    def _fetch(self, job: RunningJob, metadata: DailyBriefMetadata, day: Day, now: datetime) -> BriefData:
        include, exclude = _ids(metadata.includeProjects), _ids(metadata.excludeProjects)
        # One snapshot on one connection: a task that moves between projects meanwhile is seen once, and a worker's few
        # connections are left to its other jobs. Two set-based statements need no threads to be quick.
        with self._engine.connect().execution_options(isolation_level="REPEATABLE READ") as conn:
            return repository.fetch(conn, job.user_id, day, now, include, exclude)

    def _write_sections(
        self, steps: Steps, data: BriefData, day: Day, home: ZoneInfo, now: datetime
    ) -> tuple[Section, ...]:
        """Every project's section, in the order of the brief; the inbox, where it holds anything, comes last."""
        written: list[Section] = []
        failed = 0
        for number, project in enumerate(data.projects):
            steps.project(number, len(data.projects), failed)
            section = self._section(project, day, home, now)
            failed += section.failed is not None
            written.append(section)
        steps.project(len(data.projects), len(data.projects), failed)
        sections = rules.in_order(written)
        if data.inbox is not None:
            inbox = self._section(data.inbox, day, home, now)
            sections += () if inbox.quiet and not inbox.open_tasks else (inbox,)
        return sections

    def _section(self, project: ProjectData, day: Day, home: ZoneInfo, now: datetime) -> Section:
        """One project's section, also when it fails: then it says so."""
        try:
            tasks = [Task.from_row(row) for row in project.tasks]
            section = Section(
                project_id=project.id,
                name=project.name,
                buckets=rules.sort_into_buckets(tasks, day=day, home=home, now=now),
                context=project.context,
                notes=tuple(Note(note["title"], note["content"]) for note in project.notes),
                open_tasks=project.open_tasks,
            )
            return replace(section, markdown=render_section(section, day))
        except Exception as error:
            log.exception("brief.project_failed project_id=%s", project.id)
            dates = isinstance(error, (ValueError, OverflowError))
            reason = "one of its dates cannot be read" if dates else "an unexpected error"
            section = Section(project.id, project.name, open_tasks=project.open_tasks, failed=reason)
            return replace(section, markdown=render_section(section, day))

    def _consolidate(
        self,
        metadata: DailyBriefMetadata,
        person: Person,
        data: BriefData,
        sections: tuple[Section, ...],
        day: Day,
        calendar_current: bool,
    ) -> Brief:
        return Brief(
            day=day,
            person=person,
            sections=sections,
            actions=rules.top_actions(sections),
            events=rules.events_of(day, data.events),
            holidays=holidays_on(day.date, person.country),
            reengagement=metadata.options.isReengagement,
            days_away=metadata.options.daysSinceLastLogin or None,
            missing_projects=data.missing_projects,
            calendar_stale=not calendar_current,
        )

    def _analyse(self, steps: Steps, brief: Brief) -> Analysis:
        """What a language model makes of the brief, or why there is nothing. Never raises for the model's sake."""
        question = prompts.user_message(render_brief(brief))
        try:
            completion = steps.while_waiting(
                "analysing",
                75,
                "Asking for an AI analysis",
                lambda: self._llm.complete(system=prompts.SYSTEM, user=question, max_tokens=prompts.MAX_TOKENS),
            )
        except LLMUnavailable as error:
            return Analysis(reason=error.reason)
        except Exception:
            log.exception("brief.analysis_failed")
            return Analysis(reason="the language model could not be asked")
        text = clean_answer(completion.text)
        return Analysis(text, completion.model) if text else Analysis(reason=f"{completion.model} had nothing to say")

    def _save(self, job: RunningJob, brief: Brief, analysis: Analysis, started: datetime) -> DailyBriefResult:
        markdown = render_brief(brief, analysis)
        with job.transaction() as conn:
            brief_id = repository.save(conn, job.user_id, brief, markdown, analysis, job.id, started, self._clock.now())
            email_queued = self._queue_email(conn, job, brief, brief_id, markdown)
            payload = {
                "briefId": str(brief_id),
                "briefDate": brief.day.date.isoformat(),
                "timezone": brief.day.zone.key,
            }
            emit(conn, job.user_id, "brief_completed", payload, key=f"brief_completed:{job.id}")
            correlation_id = job.metadata.correlationId or str(job.id)
            self._announce(
                conn, job.user_id, "brief.completed", payload, correlation_id=correlation_id, key=f"{job.id}-completed"
            )
        written = sum(section.project_id is not None and section.failed is None for section in brief.sections)
        return _result(brief_id, brief.day, written, email_queued)

    def _queue_email(self, conn: Connection, job: RunningJob, brief: Brief, brief_id: UUID, markdown: str) -> bool:
        """Queue the brief's email where the user wants one. The key is the email's: however often it is asked for, one job sends it."""
        recipient = (brief.person.email or "").strip()
        if not brief.person.email_enabled or "@" not in recipient:
            return False
        details = {"jobId": str(job.id), "briefId": str(brief_id), "briefDate": brief.day.date.isoformat()}
        subject = f"Your brief for {long_date(brief.day.date)}"
        email_id = repository.write_email(conn, job.user_id, brief_id, subject, markdown, details)
        add_job(
            conn,
            "generate_brief_email",
            user_id=job.user_id,
            metadata={
                "userId": str(job.user_id),
                "emailId": str(email_id),
                "briefId": str(brief_id),
                "recipientEmail": recipient,
                "correlationId": job.metadata.correlationId or str(job.id),
            },
            dedup_key=f"brief-email-{email_id}",
        )
        return True


def _result(brief_id: UUID, day: Day, projects: int, email_queued: bool) -> DailyBriefResult:
    return DailyBriefResult(
        briefId=str(brief_id), briefDate=day.date.isoformat(), projectBriefsGenerated=projects, emailSent=email_queued
    )


def _ids(given: list[str] | None) -> list[str]:
    return sorted({each.strip().lower() for each in given or () if each.strip()})


def _iso_date(given: Any) -> date | None:
    try:
        return date.fromisoformat(given) if isinstance(given, str) and len(given) == 10 else None
    except ValueError:
        return None
