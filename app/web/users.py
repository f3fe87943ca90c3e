"""What belongs to a user: jobs, the briefs they made, projects, and what a day holds."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal, get_args

from flask import Blueprint
from pydantic import Field

from app.features.briefs.days import read_day
from app.features.briefs.reads import find_brief, list_briefs
from app.features.briefs.rules import local_day
from app.features.phases.reads import list_projects
from app.features.sms.reads import messages_between
from app.formats.markdown import safe_html
from app.queue.reads import InvalidCursor, list_user_jobs
from app.web.endpoint import endpoint, reading, services
from app.web.errors import invalid, not_found
from app.web.fields import Day, JobTypeName, Limit, parse_date, zone_or_utc
from app.web.people import known_user
from app.web.schemas import BriefPage, BriefsReply, JobsReply, JobStatus, Request
from app.web.user_schemas import DayReply, Profile, ProjectsReply, TextsReply

blueprint = Blueprint("users", __name__)

MAX_CURSOR = 500  # characters


class JobsQuery(Request):
    type: JobTypeName | None = None
    status: Literal[*get_args(JobStatus), "queued_for_retry"] | None = Field(
        None, description="queued_for_retry means retrying."
    )
    limit: Limit = 20
    cursor: Annotated[str, Field(max_length=MAX_CURSOR)] | None = None


class BriefsQuery(Request):
    limit: Limit = 20
    cursor: Day | None = Field(None, description="nextCursor of the page before: briefs of earlier dates.")


@endpoint(blueprint, "GET", "/users/<user_id>/jobs", query=JobsQuery, reply=JobsReply, errors=(404,))
def get_user_jobs(user_id: str, query: JobsQuery) -> dict[str, Any]:
    """A user's jobs, newest first"""
    status = "retrying" if query.status == "queued_for_retry" else query.status
    with reading() as conn:
        user = known_user(conn, user_id)
        try:
            jobs, following = list_user_jobs(
                conn, user.id, job_type=query.type, status=status, limit=query.limit, cursor=query.cursor
            )
        except InvalidCursor as error:
            raise invalid("cursor", str(error)) from None
    return {"jobs": [job.as_api() for job in jobs], "nextCursor": following}


@endpoint(blueprint, "GET", "/users/<user_id>/briefs", query=BriefsQuery, reply=BriefsReply, errors=(404,))
def get_user_briefs(user_id: str, query: BriefsQuery) -> dict[str, Any]:
    """A user's daily briefs, latest date first"""
    with reading() as conn:
        user = known_user(conn, user_id)
        found = list_briefs(conn, user.id, limit=query.limit + 1, before=query.cursor)
    page = found[: query.limit]
    return {"briefs": page, "nextCursor": page[-1]["brief_date"] if len(found) > query.limit else None}


@endpoint(blueprint, "GET", "/users/<user_id>/briefs/<date>", reply=BriefPage, errors=(400, 404))
def get_user_brief(user_id: str, date: str) -> dict[str, Any]:
    """A user's daily brief of a date, as Markdown and as HTML"""
    day = _day(date)
    with reading() as conn:
        user = known_user(conn, user_id)
        brief = find_brief(conn, user.id, day)
    if brief is None:
        raise not_found("Brief")
    markdown = brief["summary_content"]
    return {**brief, "summary_html": None if markdown is None else safe_html(markdown)}


@endpoint(blueprint, "GET", "/users/<user_id>", reply=Profile, errors=(404,))
def get_user(user_id: str) -> dict[str, Any]:
    """Who a user is, and which day it is there"""
    with reading() as conn:
        user = known_user(conn, user_id)
    zone = zone_or_utc(user.timezone)
    today = services().clock.now().astimezone(zone).date()
    return {"id": str(user.id), "email": user.email, "name": user.name, "timezone": zone.key, "today": str(today)}


@endpoint(blueprint, "GET", "/users/<user_id>/projects", reply=ProjectsReply, errors=(404,))
def get_user_projects(user_id: str) -> dict[str, Any]:
    """A user's projects"""
    with reading() as conn:
        return {"projects": list_projects(conn, known_user(conn, user_id).id)}


@endpoint(blueprint, "GET", "/users/<user_id>/days/<date>", reply=DayReply, errors=(400, 404))
def get_user_day(user_id: str, date: str) -> dict[str, Any]:
    """A day of a user: events, and tasks that are due"""
    day = _day(date)
    with reading() as conn:
        user = known_user(conn, user_id)
        return read_day(conn, user.id, day, zone_or_utc(user.timezone))


@endpoint(blueprint, "GET", "/users/<user_id>/sms/<date>", reply=TextsReply, errors=(400, 404))
def get_user_sms(user_id: str, date: str) -> dict[str, Any]:
    """A user's text messages of a date, sent or to be sent"""
    day = _day(date)
    with reading() as conn:
        user = known_user(conn, user_id)
        seen = local_day(day, zone_or_utc(user.timezone))
        messages = messages_between(conn, user.id, seen.start, seen.end)
    return {"date": date, "timezone": seen.zone.key, "messages": messages}


def _day(written: str) -> dt.date:
    try:
        return parse_date(written)
    except ValueError as error:
        raise invalid("date", str(error)) from None
