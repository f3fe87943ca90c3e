"""Todoist's CSV export: one project a file, rows of type task, section, note and meta."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from app.features.tasklists.models import Task, TaskList
from app.features.tasklists.phrases import read_phrase
from app.features.tasklists.rules import Ids, day_start, file_project, instant, one_line, parse_date
from app.formats.problems import ImportProblem, Notes, shown
from app.formats.table import Row, Table
from app.formats.zones import iana_name

# 1 is Todoist's p1; 4 is its default, a task without urgency.
PRIORITY = {"1": "high", "2": "medium", "3": "medium", "4": "low", "": "medium"}
GIVEN = frozenset({"project", "title", "description", "priority", "due_date", "recurrence"})
DEEPEST = 10
_LABEL = re.compile(r"(?<!\S)@([\w-]+)")


def is_todoist(table: Table) -> bool:
    """Whether the table has Todoist's columns."""
    return "type" in table.columns and "content" in table.columns


@dataclass
class _Reader:
    """One pass over the rows: a task belongs to the section and, by its indent, to the task above it."""

    project: str
    zone: str
    now: datetime
    notes: Notes
    ids: Ids = field(default_factory=lambda: Ids("todoist"))
    tasks: list[Task] = field(default_factory=list)
    section: str | None = None
    path: list[tuple[str, str]] = field(
        default_factory=list
    )  # (external id, title) of the tasks above, outermost first
    project_notes: list[str] = field(default_factory=list)

    def take(self, row: Row) -> None:
        kind, content = row.get("type").lower(), row.get("content")
        if kind == "task":
            self.task(row, content)
        elif kind == "section":
            self.section, self.path = one_line(content) or None, []
            if row.get("description"):
                self.project_notes.append(f"{self.section}: {row.get('description')}")
        elif kind == "note":
            self.note(content)
        elif kind != "meta":
            raise ImportProblem(f"TYPE is not task, section or note: {shown(row.get('type')) or 'empty'}")

    def task(self, row: Row, content: str) -> None:
        title, tags = _title(content)
        if not title:
            raise ImportProblem("has no CONTENT")
        if row.get("priority") not in PRIORITY:
            raise ImportProblem(f"PRIORITY is not 1, 2, 3 or 4: {shown(row.get('priority'))}")
        indent = row.get("indent") or "1"
        if not (indent.isascii() and indent.isdecimal() and 1 <= int(indent[:3]) <= DEEPEST):
            raise ImportProblem(f"INDENT is not a number from 1 to {DEEPEST}: {shown(indent)}")
        del self.path[int(indent) - 1 :]
        external_id = self.ids.next(self.project, self.section, *(words for _, words in self.path), title)
        said, due, all_day, recurrence = self.date(row)
        about = [
            row.get("description"),
            "\n".join(filter(None, (
                self.section and f"Section: {self.section}",
                tags and f"Tags: {', '.join(tags)}",
                row.get("duration") and f"Duration: {row.get('duration')} {row.get('duration_unit') or 'minute'}",
                *said,
            ))),
        ]  # fmt: skip
        self.tasks.append(
            Task(
                external_id=external_id,
                project=self.project,
                title=title,
                description="\n\n".join(filter(None, about)) or None,
                priority=PRIORITY[row.get("priority")],
                due_date=due,
                all_day=all_day,
                recurrence=recurrence,
                parent=self.path[-1][0] if self.path else None,
            )
        )
        self.path.append((external_id, title))

    def date(self, row: Row) -> tuple[list[str], datetime | None, bool, str | None]:
        """What the description must still say, the due date, whether it is a day, and the recurrence."""
        zone = iana_name(row.get("timezone")) or self.zone
        said, due, all_day, recurrence = [], None, False, None
        if text := row.get("date"):
            try:
                due, all_day, recurrence = self.meant(text, zone)
            except ImportProblem:
                self.notes.warn(f"the date is not understood and kept in the description: {shown(text)}", row.where)
                said.append(f"Date: {shown(text, 200)}")
        if text := row.get("deadline"):
            try:
                deadline, deadline_is_day, _ = self.meant(text, zone)
                if due is None:
                    return said, deadline, deadline_is_day, recurrence
                said.append(f"Deadline: {deadline.astimezone(ZoneInfo(zone)):%Y-%m-%d}")
            except ImportProblem:
                self.notes.warn(f"the deadline is not understood and kept in the description: {shown(text)}", row.where)
                said.append(f"Deadline: {shown(text, 200)}")
        return said, due, all_day, recurrence

    def meant(self, text: str, zone: str) -> tuple[datetime, bool, str | None]:
        try:
            due, all_day = parse_date(text, "DATE", zone)
            return due, all_day, None
        except ImportProblem:
            phrase = read_phrase(text, self.now.astimezone(ZoneInfo(zone)))
            if phrase is None:
                raise
        try:
            if phrase.time is None:
                return day_start(phrase.day, self.zone), True, phrase.recurrence
            return (instant(datetime.combine(phrase.day, phrase.time), zone), False, phrase.recurrence)
        except OverflowError:
            raise ImportProblem("a date is out of range") from None

    def note(self, content: str) -> None:
        if not content:
            return
        if not self.tasks:
            self.project_notes.append(content)
            return
        task = self.tasks[-1]
        text = "\n\n".join(filter(None, (task.description, f"Note: {content}")))
        self.tasks[-1] = replace(task, description=text)


def read_todoist(table: Table, file_name: str, zone: str, now: datetime, notes: Notes) -> TaskList:
    """Tasks of Todoist's export; the file's name is the project. `now` (aware) is what `tomorrow` counts from.

    Rows that are wrong are refused in `notes`, by line.
    """
    reader = _Reader(file_project(file_name), zone, now, notes)
    for row in table.rows:
        try:
            reader.take(row)
        except ImportProblem as problem:
            notes.problems.append(ImportProblem(problem.message, row.where))
    about = {reader.project: "\n\n".join(reader.project_notes)} if reader.project_notes else {}
    return TaskList(tuple(reader.tasks), GIVEN, about)


def _title(content: str) -> tuple[str, list[str]]:
    """The title without Todoist's marks, and its labels. A leading `* ` means a task that has no check box."""
    content = content.removeprefix("* ")
    labels = _LABEL.findall(content)
    bare = one_line(_LABEL.sub("", content))
    return (bare, labels) if bare else (one_line(content), [])
