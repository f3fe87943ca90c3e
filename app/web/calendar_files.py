"""Calendar files over HTTP: the same import as `buildos import` (CONTRACT 5, 8.7; docs/import.md)."""

from __future__ import annotations

from flask import Blueprint, request
from pydantic import Field
from sqlalchemy import Connection

from app.db.commit import transaction
from app.features.calendar import import_events
from app.features.tasklists import import_todos
from app.formats.counts import Counts
from app.formats.ics import read_entries
from app.formats.problems import ImportProblem, Notes
from app.formats.text import MAX_BYTES, decode
from app.identity.users import User
from app.web.endpoint import caller, endpoint, services
from app.web.errors import ApiError, invalid
from app.web.fields import UserId
from app.web.people import known_user
from app.web.schemas import Reply, Request

blueprint = Blueprint("calendar_files", __name__)

SHOWN = 200  # complaints of one kind in an answer
LARGEST = MAX_BYTES + 64 * 1024  # a form needs some room of its own
FILE_NAME = "calendar.ics"
KINDS = ("text/calendar", "application/ics", "text/plain", "application/octet-stream", "")


class ImportQuery(Request):
    userId: UserId | None = Field(None, description="May stand in the form instead; a user's token names its own user.")


class ImportCounts(Reply):
    added: int
    updated: int
    unchanged: int
    removed: int


class ImportReply(Reply):
    """What became of a file. Every refused entry is named; the rest was imported."""

    success: bool = True
    events: ImportCounts = Field(description="One per UID.")
    occurrences: ImportCounts = Field(description="Rows of calendar_events.")
    tasks: ImportCounts
    projects: ImportCounts
    refused: int = Field(description="Entries that were refused.")
    problems: list[str] = Field(description=f"Why, at most {SHOWN}: `entry 3 (UID abc, line 120): …`.")
    warnings: list[str]


@endpoint(
    blueprint,
    "POST",
    "/api/calendar/events/import",
    query=ImportQuery,
    reply=ImportReply,
    errors=(400, 404, 413, 415),
    largest=LARGEST,
)
def post_import(query: ImportQuery) -> ImportReply:
    """Import a calendar file: an .ics body, or a form with the field `file`"""
    name, data = _file()
    asked = request.form.get("userId") if request.mimetype == "multipart/form-data" else None
    notes = Notes()
    try:
        content = decode(data)
        with transaction(services().engine) as conn:
            counts = _import(conn, asked_user(conn, query.userId or asked), content, name, notes)
    except ImportProblem as problem:
        raise invalid("file", str(problem)) from None
    return ImportReply(
        **{kind: ImportCounts(**vars(found)) for kind, found in counts.items()},
        refused=len(notes.problems),
        problems=[str(problem) for problem in notes.problems[:SHOWN]],
        warnings=notes.warnings[:SHOWN],
    )


def _import(conn: Connection, user: User, content: str, name: str, notes: Notes) -> dict[str, Counts]:
    now = services().clock.now()
    entries = read_entries(content, notes)
    events = import_events(conn, user.id, entries, now, notes)
    todos = import_todos(conn, user.id, entries, name, now, notes)
    return {
        "events": events.events,
        "occurrences": events.occurrences,
        "tasks": todos.tasks,
        "projects": todos.projects,
    }


def _file() -> tuple[str, bytes]:
    if request.mimetype == "multipart/form-data":
        sent = request.files.get("file")
        if sent is None:
            raise invalid("file", "is required")
        return _plain(sent.filename) or FILE_NAME, sent.stream.read(MAX_BYTES + 1)
    if request.mimetype not in KINDS:
        raise ApiError(415, "Content-Type must be text/calendar or multipart/form-data")
    return FILE_NAME, request.get_data(cache=False)


def _plain(name: str | None) -> str:
    return (
        "".join(char for char in (name or "") if char.isprintable() and char not in "/\\")
        .encode("utf-8", "ignore")
        .decode()[:200]
    )


def asked_user(conn: Connection, asked: str | None) -> User:
    """The user that a request names, else the caller itself. Raises as known_user, and 400 where nobody is named."""
    own = caller().user_id
    if asked is None and own is None:
        raise invalid("userId", "is required")
    return known_user(conn, asked if asked is not None else str(own))
