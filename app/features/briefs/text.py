"""Words and Markdown: dates, counts, and other people's text made harmless. Nothing here depends on a locale."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

TITLE_LENGTH = 160
EXCERPT_LENGTH = 240

_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
_ENTITY = re.compile(r"&(?=#?\w+;)")
# An underscore inside a word is no markup, and reads better as it is.
_SPECIAL = re.compile(r"([\\`*\[\]~]|(?<![^\W_])_|_(?![^\W_]))")
_LEADING = re.compile(r"^([#+\-=:>]|\d{1,9}(?=[.)]))")
_HEADING_MARK = re.compile(r"^\s*#{1,6}\s+")
_EMPHASIS = re.compile(r"(?<!\w)(\*{1,2}|_{1,2}|`)(?=\S)([^*_`\n]*[^*_`\s])\1(?!\w)")
_LINE_MARK = re.compile(r"^\s*(?:[-*+]\s+(?:\[[ xX]\]\s+)?|\d{1,9}[.)]\s+|>\s*)+")


def escape(text: str | None, limit: int = TITLE_LENGTH) -> str:
    """Anyone's text as one line of Markdown that shows exactly these characters: no markup, no HTML, no line breaks.

    Characters that hide or turn text around are dropped; what is longer than `limit` characters ends in "…". May be empty.
    """
    line = " ".join(_INVISIBLE.sub("", text or "").split())
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    line = _SPECIAL.sub(r"\\\1", _ENTITY.sub("&amp;", line).replace("<", "&lt;"))
    # A list item may itself begin with a heading or a list: the first character decides.
    return _LEADING.sub(lambda mark: f"\\{mark[0]}" if not mark[0].isdigit() else f"{mark[0]}\\", line)


def named(text: str | None, limit: int = TITLE_LENGTH) -> str:
    """A title or a name, escaped; never empty."""
    return escape(text, limit) or "(no title)"


def excerpt(text: str | None, limit: int = EXCERPT_LENGTH) -> str:
    """The beginning of a longer text as one escaped line: its own marks go, and lines become clauses."""
    said = glue = ""
    text = _EMPHASIS.sub(r"\2", text or "")
    for line in text.splitlines():
        heading = _HEADING_MARK.match(line)
        words = _LINE_MARK.sub("", line[heading.end() if heading else 0 :]).strip()
        if words and len(said) <= limit:
            said += glue + words
            glue = " " if words[-1] in ".,:;!?…" else ": " if heading else "; "
    return escape(said, limit)


def long_date(day: date) -> str:
    """Sunday, 22 November 2026"""
    return f"{_WEEKDAYS[day.weekday()]}, {day.day} {_MONTHS[day.month - 1]} {day.year}"


def short_date(day: date) -> str:
    """Sun 22 Nov"""
    return f"{_WEEKDAYS[day.weekday()][:3]} {day.day} {_MONTHS[day.month - 1][:3]}"


def clock(moment: datetime) -> str:
    """09:30, on a 24-hour clock."""
    return f"{moment.hour:02}:{moment.minute:02}"


def offset(moment: datetime) -> str:
    """UTC, UTC+1 or UTC+5:30: what the zone is ahead of UTC at that moment."""
    minutes = int(moment.utcoffset().total_seconds() // 60)
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '−'}{hours}" + (f":{rest:02}" if rest else "")


def count(number: int, one: str, many: str | None = None) -> str:
    """1 task, 2 tasks"""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listing(parts: Sequence[str]) -> str:
    """a, b and c"""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else ""
