"""`buildos import`: calendars and task lists from files."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from app.embedded.processes import StartError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from app.formats.counts import Counts
    from app.settings import Settings

SHOWN = 50  # complaints of one kind about one file
CALENDAR_ENDINGS = (".ics", ".ical", ".icalendar", ".ifb", ".vcs")


@dataclass
class FileResult:
    """What became of one file: counts by kind of rows, and what was said about it."""

    name: str
    counts: dict[str, Counts] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def import_file(engine: Engine, user_id: UUID, name: str, data: bytes, now: datetime) -> FileResult:
    """Import one file in one transaction. What is wrong with it is in the result; only the database's errors are raised."""
    from app.formats.problems import ImportProblem, Notes
    from app.formats.text import decode

    result, notes = FileResult(name), Notes()
    try:
        text = decode(data)
        with engine.begin() as conn:
            if "BEGIN:VCALENDAR" in text[:4096].upper() or name.lower().endswith(CALENDAR_ENDINGS):
                result.counts = _import_calendar(conn, user_id, text, name, now, notes)
            else:
                result.counts = _import_table(conn, user_id, text, name, now, notes)
    except ImportProblem as problem:
        notes.problems.append(problem)
    result.problems = [_line(name, str(problem)) for problem in notes.problems]
    result.warnings = [_line(name, warning) for warning in notes.warnings]
    return result


def _import_calendar(conn: Connection, user_id: UUID, text: str, name: str, now: datetime, notes) -> dict[str, Counts]:
    from app.features.calendar import import_events
    from app.features.tasklists import import_todos
    from app.formats.ics import read_entries

    entries = read_entries(text, notes)
    events = import_events(conn, user_id, entries, now, notes)
    todos = import_todos(conn, user_id, entries, name, now, notes)
    return {
        "events": events.events,
        "occurrences": events.occurrences,
        "tasks": todos.tasks,
        "projects": todos.projects,
    }


def _import_table(conn: Connection, user_id: UUID, text: str, name: str, now: datetime, notes) -> dict[str, Counts]:
    from app.features.tasklists import import_table

    changes = import_table(conn, user_id, text, name, now, notes)
    return {"tasks": changes.tasks, "projects": changes.projects}


def _line(name: str, message: str) -> str:
    return f"{name}: {message}"


def import_files(
    files: Annotated[list[Path], typer.Argument(help="Calendars (.ics) and task lists (.csv).", metavar="FILE…")],
    user: Annotated[
        str, typer.Option("--user", "-u", help="Address of the user whose files they are.", metavar="EMAIL")
    ],
) -> None:
    """Import calendars (.ics) and task lists (CSV, also Todoist's). Exit code 1 if anything was refused."""
    from sqlalchemy.exc import SQLAlchemyError

    from app.cli.services import first_line
    from app.db.engine import make_engine
    from app.ports.clock import SystemClock
    from app.settings import load_settings

    settings = load_settings()
    engine = make_engine(_with_database(settings), application_name="buildos import", pool_size=1)
    results = []
    try:
        user_id = _user_id(engine, user)
        for path in files:
            results.append(_import_path(engine, user_id, path, SystemClock().now()))
            _complain(results[-1])
    except SQLAlchemyError as error:
        raise StartError(f"the database cannot be used: {first_line(error)}") from None
    finally:
        engine.dispose()
    _summary(results)
    if any(result.problems for result in results):
        raise typer.Exit(1)


def _with_database(settings: Settings) -> Settings:
    """DATABASE_URL where it is set, else the database of the system that `buildos up` runs."""
    from app.embedded.home import Home

    if "database_url" in settings.model_fields_set:
        return settings
    home = Home(settings.buildos_home)
    address = home.read().addresses.get("database") if home.running() else None
    if not address:
        raise StartError("there is no database: `buildos up` starts one, or set DATABASE_URL")
    return settings.model_copy(update={"database_url": address})


def _user_id(engine: Engine, email: str) -> UUID:
    from app.identity.users import find_user_by_email

    with engine.connect() as conn:
        user = find_user_by_email(conn, email)
    if user is None:
        raise StartError(f"there is no user {email.strip()}")
    return user.id


def _import_path(engine: Engine, user_id: UUID, path: Path, now: datetime) -> FileResult:
    from app.formats.text import MAX_BYTES

    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return FileResult(path.name, problems=[f"{path}: {(error.strerror or str(error)).lower()}"])
    return import_file(engine, user_id, path.name, data, now)


def _complain(result: FileResult) -> None:
    for kind, lines in (("warning: ", result.warnings), ("", result.problems)):
        for line in lines[:SHOWN]:
            print(f"{kind}{line}", file=sys.stderr)
        if len(lines) > SHOWN:
            what = "warnings" if kind else "entries refused"
            print(f"{result.name}: and {len(lines) - SHOWN:,} more {what}", file=sys.stderr)


def _summary(results: list[FileResult]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("file", "", box=None, pad_edge=False)
    for title in ("added", "updated", "unchanged", "removed", "refused"):
        table.add_column(title, justify="right")
    for result in results:
        kinds = [kind for kind, counts in result.counts.items() if counts != type(counts)()] or ["nothing"]
        for i, kind in enumerate(kinds):
            counts = result.counts.get(kind)
            numbers = [counts.added, counts.updated, counts.unchanged, counts.removed] if counts else [0, 0, 0, 0]
            refused = f"{len(result.problems):,}" if i == 0 else ""
            table.add_row(result.name if i == 0 else "", kind, *(f"{number:,}" for number in numbers), refused)
    Console(soft_wrap=True, highlight=False, markup=False).print(table)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="import")(import_files)
