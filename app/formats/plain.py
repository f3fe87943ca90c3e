"""Words that may come from anyone, a language model included, as plain text that is safe to keep and to show."""

from __future__ import annotations

import re

# Characters that hide text or turn it around, and control characters.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_TAG = re.compile(r"<[a-zA-Z/!?][^<>]*(?:>|$)")
_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}:/+\S+|\b(?:data|javascript|vbscript|mailto):\S+|\bwww\.\S+", re.IGNORECASE
)
LONGEST_READ = 20_000  # characters looked at


def plain_line(text: str | None, limit: int) -> str:
    """One line of at most `limit` characters: no tags, no links, no hidden characters; what is longer ends in "…". May be empty."""
    line = " ".join(_bare(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _bare(text: str | None) -> str:
    said = (text or "")[:LONGEST_READ].encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no text
    said = _INVISIBLE.sub("", said)
    while (without := _TAG.sub("", said)) != said:  # a tag may appear where another one was taken out
        said = without
    return _ADDRESS.sub("(link removed)", said)
