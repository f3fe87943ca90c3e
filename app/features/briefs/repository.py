"""The SQL of a brief. Functions take a connection and say nothing about transactions: that is the caller's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from app.features.briefs.models import INBOX, Analysis, Brief, BriefData, Day, EventData, Person, ProjectData
from app.features.briefs.rules import UPCOMING_DAYS, last_24_hours

NOTES_A_PROJECT = 3
NOWHERE = UUID(int=0)
NOTE_LENGTH = 600  # characters fetched of a note or a context
# A date belongs to the zone it was written in: two zones are at most 26 hours apart.
ZONES_APART = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Saved:
    """A finished brief of this very job, found again."""

    brief_id: UUID
    projects: int
    email_queued: bool


def find_person(conn: Connection, user_id: UUID) -> Person | None:
    """The user with preferences and the latest activity, or None."""
    row = conn.execute(
        text("""
            select u.id::text, u.email, u.name, u.timezone, u.country, u.last_visit,
                   coalesce(p.email_enabled, false) as email_enabled, a.activity, a.created_at as activity_at
            from users u
            left join user_brief_preferences p on p.user_id = u.id
            left join lateral (
                select activity, created_at from activity_log
                where user_id = u.id and activity not in ('daily_sms_scheduled', 'sms_sent', 'unknown_time_zone')  -- not the user's
                order by created_at desc, id desc limit 1
            ) a on true
            where u.id = :user_id
        """),
        {"user_id": user_id},
    ).one_or_none()
    if row is None:
        return None
    return Person(
        id=row.id,
        email=row.email,
        name=row.name,
        timezone=row.timezone,
        country=row.country,
        email_enabled=row.email_enabled,
        last_visit=row.last_visit,
        latest_activity=row.activity,
        latest_activity_at=row.activity_at,
    )


def fetch(
    conn: Connection, user_id: UUID, day: Day, now: datetime, include: Sequence[str], exclude: Sequence[str]
) -> BriefData:
    """Projects with their tasks and notes, the inbox, and the day's events: two statements, each for all of its rows.

    Tasks and notes come as JSON, project by project, and are read later: a row that Python cannot read must not take the
    other projects with it. Only tasks that can be in a bucket are fetched, the rest is counted.
    """
    after, until = last_24_hours(day, now)
    values = {
        "user_id": user_id,
        "include": list(include) or None,
        "exclude": list(exclude),
        "horizon": day.end + timedelta(days=UPCOMING_DAYS) + ZONES_APART,
        "after": after,
        "until": until,
        "nowhere": NOWHERE,
        "notes": NOTES_A_PROJECT,
        "length": NOTE_LENGTH,
    }
    rows = conn.execute(text(_PROJECTS), values).all()
    projects = tuple(
        ProjectData(row.id, row.name, row.context, row.open_tasks, tuple(row.tasks), tuple(row.notes))
        for row in rows
        if row.id is not None
    )
    inbox = next(
        (ProjectData(None, INBOX, None, r.open_tasks, tuple(r.tasks), tuple(r.notes)) for r in rows if r.id is None),
        None,
    )
    missing = len(set(include) - {project.id for project in projects} - set(exclude))
    return BriefData(projects, inbox, fetch_events(conn, user_id, day), missing)


# Projects are compared by their id as text: what a caller sends as an id need not be one. What has no project is grouped under
# `nowhere`, so that each table is read once and joined by equality, however many projects there are.
_PROJECTS = """
    with place as (
        select id, id::text as key, name, left(concat_ws(E'\n', description, context), :length) as context
        from projects
        where user_id = :user_id and status = 'active'
          and (cast(:include as text[]) is null or id::text = any (cast(:include as text[])))
          and id::text <> all (cast(:exclude as text[]))
        union all
        select cast(:nowhere as uuid), null, '', null where cast(:include as text[]) is null
    ), work as (
        select coalesce(project_id, :nowhere) as place_id, count(*) filter (where status <> 'done') as open_tasks,
               jsonb_agg(jsonb_build_object(
                   'id', id, 'title', title, 'status', status, 'priority', priority, 'all_day', all_day,
                   'start_date', start_date, 'due_date', due_date, 'completed_at', completed_at
               ) order by id) filter (where
                   status <> 'done' and coalesce(due_date, start_date) < :horizon
                   or status = 'done' and completed_at > :after and completed_at <= :until
               ) as rows
        from tasks
        where user_id = :user_id and deleted_at is null
        group by 1
    ), latest_note as (
        select coalesce(project_id, :nowhere) as place_id, id, title, left(content, :length) as content, updated_at,
               row_number() over (partition by project_id order by updated_at desc, id) as place
        from notes
        where user_id = :user_id
    ), words as (
        select place_id,
               jsonb_agg(jsonb_build_object('title', title, 'content', content) order by updated_at desc, id) as rows
        from latest_note
        where place <= :notes
        group by 1
    )
    select place.key as id, place.name, place.context, coalesce(work.open_tasks, 0) as open_tasks,
           coalesce(work.rows, '[]') as tasks, coalesce(words.rows, '[]') as notes
    from place
    left join work on work.place_id = place.id
    left join words on words.place_id = place.id
    order by place.name, place.key
"""


def fetch_events(conn: Connection, user_id: UUID, day: Day) -> tuple[EventData, ...]:
    """The events that may touch the day, cancelled ones left out: `rules.events_of` says which do."""
    rows = conn.execute(
        text("""
            select title, greatest(start_time, '0002-01-01') as start_time, least(end_time, '9998-12-31') as end_time,
                   all_day, timezone, location, status = 'tentative' as tentative
            from calendar_events
            where user_id = :user_id and status <> 'cancelled' and start_time < :until and end_time >= :since
            order by start_time, id
        """),
        {"user_id": user_id, "since": day.start - ZONES_APART, "until": day.end + ZONES_APART},
    )
    return tuple(EventData(**row) for row in rows.mappings())


def find_saved(conn: Connection, user_id: UUID, brief_date: date, job_id: UUID) -> Saved | None:
    """What this job saved in an earlier run, if it did."""
    row = conn.execute(
        text("""
            select b.id, (
                select count(*) from jsonb_array_elements(b.project_briefs) p
                where p ->> 'projectId' is not null and p -> 'failed' is null
            ) as projects,
            exists (select from emails e where e.daily_brief_id = b.id and e.template_data ->> 'jobId' = :job) as email_queued
            from daily_briefs b
            where b.user_id = :user_id and b.brief_date = :brief_date
              and b.queue_job_id = :job_id and b.generation_status = 'completed'
        """),
        {"user_id": user_id, "brief_date": brief_date, "job_id": job_id, "job": str(job_id)},
    ).one_or_none()
    return row and Saved(row.id, row.projects, row.email_queued)


def mark_processing(conn: Connection, user_id: UUID, day: Day, job_id: UUID, now: datetime) -> None:
    """Show that the day's brief is being made, unless there is a finished one: that stays until a better one replaces it."""
    conn.execute(
        text("""
            insert into daily_briefs as b (user_id, brief_date, timezone, queue_job_id, generation_status, generation_started_at)
            values (:user_id, :brief_date, :timezone, :job_id, 'processing', :now)
            on conflict (user_id, brief_date) do update
            set generation_status = 'processing', generation_error = null, generation_started_at = excluded.generation_started_at,
                timezone = excluded.timezone, queue_job_id = excluded.queue_job_id
            where b.generation_status <> 'completed'
        """),
        {"user_id": user_id, "brief_date": day.date, "timezone": day.zone.key, "job_id": job_id, "now": now},
    )


def save(
    conn: Connection,
    user_id: UUID,
    brief: Brief,
    markdown: str,
    analysis: Analysis,
    job_id: UUID,
    started: datetime,
    completed: datetime,
) -> UUID:
    """Put the finished brief in the place of whatever the day had. Returns its id, which a regeneration keeps."""
    return conn.execute(
        text("""
            insert into daily_briefs (
                user_id, brief_date, timezone, queue_job_id, generation_status, generation_started_at, generation_completed_at,
                summary_content, project_briefs, priority_actions, llm_analysis, llm_model
            ) values (
                :user_id, :brief_date, :timezone, :job_id, 'completed', :started, :completed,
                :markdown, cast(:project_briefs as jsonb), cast(:actions as jsonb), :analysis, :model
            )
            on conflict (user_id, brief_date) do update
            set timezone = excluded.timezone, queue_job_id = excluded.queue_job_id, generation_status = 'completed',
                generation_error = null, generation_started_at = excluded.generation_started_at,
                generation_completed_at = excluded.generation_completed_at, summary_content = excluded.summary_content,
                project_briefs = excluded.project_briefs, priority_actions = excluded.priority_actions,
                llm_analysis = excluded.llm_analysis, llm_model = excluded.llm_model
            returning id
        """),
        {
            "user_id": user_id,
            "brief_date": brief.day.date,
            "timezone": brief.day.zone.key,
            "job_id": job_id,
            "started": started,
            "completed": completed,
            "markdown": markdown,
            "project_briefs": json.dumps([section.as_json() for section in brief.sections]),
            "actions": json.dumps([action.as_json() for action in brief.actions]),
            "analysis": analysis.text,
            "model": analysis.model,
        },
    ).scalar_one()


def write_email(
    conn: Connection, user_id: UUID, brief_id: UUID, subject: str, markdown: str, details: dict[str, str]
) -> UUID:
    """The email of a brief, waiting to be sent. One that still waits since an earlier generation is brought up to date instead."""
    values = {
        "user_id": user_id,
        "brief_id": brief_id,
        "subject": subject,
        "markdown": markdown,
        "details": json.dumps(details),
    }
    waiting = conn.execute(
        text("""
            update emails set subject = :subject, text_content = :markdown, template_data = cast(:details as jsonb)
            where id = (
                select id from emails where user_id = :user_id and daily_brief_id = :brief_id and status = 'pending'
                order by created_at limit 1 for update
            )
            returning id
        """),
        values,
    ).scalar_one_or_none()
    return (
        waiting
        or conn.execute(
            text("""
            insert into emails (user_id, daily_brief_id, subject, text_content, template_data)
            values (:user_id, :brief_id, :subject, :markdown, cast(:details as jsonb))
            returning id
        """),
            values,
        ).scalar_one()
    )


def mark_failed(
    conn: Connection, user_id: UUID, brief_date: date, timezone: str | None, job_id: UUID, error: str
) -> None:
    """The day's brief failed. A finished one stays untouched, and so does one that another job is making now."""
    conn.execute(
        text("""
            insert into daily_briefs as b (user_id, brief_date, timezone, queue_job_id, generation_status, generation_error)
            select id, :brief_date, coalesce(:timezone, timezone), :job_id, 'failed', :error from users where id = :user_id
            on conflict (user_id, brief_date) do update
            set generation_status = 'failed', generation_error = excluded.generation_error, queue_job_id = excluded.queue_job_id
            where b.generation_status <> 'completed'
              and (b.generation_status <> 'processing' or b.queue_job_id is not distinct from excluded.queue_job_id)
        """),
        {"user_id": user_id, "brief_date": brief_date, "timezone": timezone, "job_id": job_id, "error": error},
    )
