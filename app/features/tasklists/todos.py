"""VTODO entries of iCalendar files → tasks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from app.features.tasklists.models import ALL_FIELDS, Task, TaskList
from app.features.tasklists.rules import Ids, day_start, file_project, instant, one_line, short_id
from app.formats.components import Parsed, is_day, parse
from app.formats.ics import Entry
from app.formats.problems import UNREADABLE, ImportProblem, Notes, shown
from app.formats.recurrence import parse_rule

_STATUS = {"COMPLETED": "done", "IN-PROCESS": "in_progress"}


def read_todos(entries: Iterable[Entry], file_name: str, zone: str, notes: Notes) -> TaskList:
    """The tasks among `entries`; the list they are in is the calendar's name, else the file's. Wrong ones are refused."""
    ids, tasks = Ids("todo"), {}
    for entry in entries:
        if entry.kind != "VTODO":
            continue
        project = one_line(entry.calendar.name or "") or file_project(file_name)
        try:
            task = _task(parse(entry, zone, notes), entry, project, zone, ids)
        except ImportProblem as problem:
            notes.problems.append(ImportProblem(problem.message, entry.where))
            continue
        except OverflowError:
            notes.problems.append(ImportProblem("a date is out of range", entry.where))
            continue
        except UNREADABLE as error:
            notes.problems.append(ImportProblem(f"cannot be read: {shown(error, 120)}", entry.where))
            continue
        if task.external_id in tasks:
            notes.warn("has the UID of an earlier entry and takes its place", entry.where)
        tasks[task.external_id] = task
    return TaskList(tuple(tasks.values()), ALL_FIELDS)


def _task(parsed: Parsed, entry: Entry, project: str, zone: str, ids: Ids) -> Task:
    component = parsed.component
    title = one_line(_text(component, "SUMMARY")) or "(no title)"
    start, due = _moment(component, "DTSTART"), _moment(component, "DUE")
    if due is None and start is not None and "DURATION" in component:
        due = start + component["DURATION"].dt
    uid = (entry.value("UID") or "").strip()
    own = short_id(uid) if uid else ids.next(project, title)
    external_id, recurrence_of = own, None
    if (key := _moment(component, "RECURRENCE-ID")) is not None:
        external_id, recurrence_of = (short_id(f"{uid}/{_store(key, zone):%Y%m%dT%H%M%SZ}"), own)
    completed = _moment(component, "COMPLETED")
    status = _STATUS.get((entry.value("STATUS") or "").upper(), "backlog")
    if completed is not None or entry.value("PERCENT-COMPLETE") == "100":
        status = "done"
    tags = ", ".join(_tags(component))
    description = "\n\n".join(filter(None, (_text(component, "DESCRIPTION").strip(), tags and f"Tags: {tags}")))
    return Task(
        external_id=external_id,
        project=project,
        title=title,
        description=description or None,
        status=status,
        priority=_priority(entry.value("PRIORITY")),
        start_date=_store(start, zone),
        due_date=_store(due, zone),
        all_day=is_day(due if due is not None else start) if due is not None or start is not None else False,
        completed_at=_store(completed, zone) if status == "done" else None,
        recurrence=parse_rule(rule).text if (rule := entry.value("RRULE")) and recurrence_of is None else None,
        cancelled=(entry.value("STATUS") or "").upper() == "CANCELLED",
        parent=_parent(entry),
        recurrence_of=recurrence_of,
    )


def _moment(component, name: str) -> date | datetime | None:
    value = getattr(component.get(name), "dt", None)
    if value is not None and not isinstance(value, date):
        raise ImportProblem(f"{name} is not a date or time")
    return value


def _store(moment: date | datetime | None, zone: str) -> datetime | None:
    if moment is None:
        return None
    return day_start(moment, zone) if is_day(moment) else instant(moment, zone)


def _text(component, name: str) -> str:
    value = component.get(name, "")
    return str(value[0] if isinstance(value, list) else value)


def _tags(component) -> list[str]:
    value = component.get("CATEGORIES", [])
    tags = [str(tag).strip() for item in (value if isinstance(value, list) else [value]) for tag in item.cats]
    return [tag for tag in tags if tag]


def _priority(value: str | None) -> str:
    """RFC 5545: 1–4 high, 5 medium, 6–9 low; 0 or nothing is undefined."""
    number = int(value) if value and value.isascii() and value.isdecimal() and len(value) < 3 else 0
    if 1 <= number <= 4:
        return "high"
    return "low" if number >= 6 else "medium"


def _parent(entry: Entry) -> str | None:
    for line in entry.lines:
        head, _, value = line.partition(":")
        words = head.upper().split(";")
        if words[0] == "RELATED-TO" and not any(w.startswith("RELTYPE=") and w != "RELTYPE=PARENT" for w in words[1:]):
            return short_id(value.strip()) or None
    return None
