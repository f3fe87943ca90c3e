"""Pure rules that every kind of task list shares: ids, days and instants, words for status and priority."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from app.formats.components import midnight, to_utc
from app.formats.problems import ImportProblem, shown
from app.formats.zones import iana_name

MAX_ID = 300  # characters; what an index entry takes with ease
MAX_TITLE = 1000

STATUSES = {
    "backlog": ("", "backlog", "todo", "to do", "open", "new", "not started", "needs action"),
    "in_progress": ("in progress", "doing", "started", "active", "in process"),
    "blocked": ("blocked", "waiting", "on hold"),
    "done": ("done", "completed", "complete", "closed", "finished", "x"),
}
PRIORITIES = {
    "low": ("low", "minor", "lowest"),
    "medium": ("", "medium", "normal", "none"),
    "high": ("high", "urgent", "major", "highest", "critical"),
}
_TRAILING_ZONE = re.compile(r"^(?P<time>.*\d)\s+(?P<zone>[A-Za-z][A-Za-z0-9_+/-]*)$")


def known_word(value: str, words: dict[str, tuple[str, ...]], column: str) -> str:
    """The stored word for what a cell says. Raises ImportProblem listing what is possible."""
    said = " ".join(re.split(r"[\s_-]+", value.strip().lower())).strip()
    for stored, spellings in words.items():
        if said in spellings:
            return stored
    raise ImportProblem(f"{column} is not one of {', '.join(words)}: {shown(value)}")


def parse_date(value: str, column: str, zone: str) -> tuple[datetime | None, bool]:
    """A cell as (instant in UTC, whether it names a day). ISO 8601, with an offset, an IANA zone after it, or in `zone`.

    Raises ImportProblem for anything else.
    """
    text = value.strip()
    if not text:
        return None, False
    wrong = ImportProblem(f"{column} is not a date (2026-12-24) or time (2026-12-24T14:00+01:00): {shown(value)}")
    if match := _TRAILING_ZONE.match(text):
        named = iana_name(match["zone"])
        if named is None:
            raise ImportProblem(f"{column} names an unknown time zone: {shown(match['zone'])}")
        zone, text = named, match["time"].strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return day_start(date.fromisoformat(text), zone), True
        if not re.match(r"\d{4}-?\d{2}-?\d{2}[T ]\d{2}", text):
            raise wrong
        return instant(datetime.fromisoformat(text), zone), False
    except (ValueError, OverflowError):
        raise wrong from None


def day_start(day: date, zone: str) -> datetime:
    """A day as it is stored: its first instant in `zone`, in UTC."""
    return midnight(day, zone)


def instant(moment: datetime, zone: str) -> datetime:
    """A time in UTC; one without an offset is a time on the wall in `zone`."""
    return to_utc(moment, ZoneInfo(zone)) if moment.tzinfo is None else moment.astimezone(UTC)


def file_project(file_name: str) -> str:
    """The project's name that a file's name gives: `Work [220474322].csv` → `Work`."""
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", re.split(r"[/\\]", file_name)[-1])
    stem = re.sub(r"\s*[\[(][\w-]*[\])]\s*$", "", stem)
    return " ".join(re.sub(r"[_\s]+", " ", stem).split()) or "Imported"


def one_line(text: str) -> str:
    """A title: one line, not endless."""
    text = " ".join(text.split())
    return text if len(text) <= MAX_TITLE else text[: MAX_TITLE - 1] + "…"


def short_id(value: str) -> str:
    """An external id that an index takes, still unique."""
    if len(value) <= MAX_ID:
        return value
    return f"{value[:100]}~{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"


class Ids:
    """Ids for tasks that have none: the same for the same words, numbered where the words come again."""

    def __init__(self, kind: str):
        self.kind = kind
        self.seen: dict[str, int] = {}

    def next(self, *words: str | None) -> str:
        """The id of the next task with these words."""
        said = "\n".join((word or "").casefold() for word in words)
        self.seen[said] = number = self.seen.get(said, 0) + 1
        digest = hashlib.sha256(f"{said}\n{number}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"{self.kind}:{digest}"
