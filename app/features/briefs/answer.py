"""A language model's answer as Markdown that is safe to show.

The answer may have been steered by what strangers wrote into an invitation. So it is read as Markdown and written anew from
what is wanted: paragraphs, lists, emphasis. A link, an image, HTML, code or a heading leaves nothing but its words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from app.features.briefs.text import escape

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LONGEST_ANSWER = 6_000  # characters
DEEPEST_LIST = 3

_FENCE = re.compile(r"^\s*```(?:markdown|md)?\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}:/+\S+|\b(?:data|javascript|mailto):\S+|\bwww\.\S+", re.IGNORECASE)
_MARKS = {"strong_open": "**", "strong_close": "**", "em_open": "*", "em_close": "*"}


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # slow to import; most processes never read an answer

    return MarkdownIt("commonmark", {"html": False, "maxNesting": 20})


def clean_answer(answer: str) -> str:
    """What is kept of an answer. May be empty."""
    text = answer.encode("utf-8", "replace").decode()  # half a surrogate pair is valid JSON, and no text
    text = text.replace("\x00", "").strip()[:LONGEST_ANSWER]
    if fenced := _FENCE.match(text):
        text = fenced[1]
    return "\n\n".join(_blocks(_parser().parse(text)))


def _blocks(tokens: Sequence[Token]) -> list[str]:
    """Paragraphs and lists, one string each; the items of a list stay together."""
    blocks: list[str] = []
    numbers: list[int | None] = []  # of the lists we are in, outermost first; None where items have bullets
    marker = ""  # of a list item whose first words are still to come
    heading = continued = False
    for token in tokens:
        kind = token.type
        if kind in ("bullet_list_open", "ordered_list_open"):
            continued = continued and bool(numbers)  # a list inside a list goes on
            numbers.append(None if kind == "bullet_list_open" else 0)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            numbers.pop()
        elif kind == "list_item_open":
            if numbers[-1] is not None:
                numbers[-1] += 1
            marker = "- " if numbers[-1] is None else f"{numbers[-1]}. "
        elif kind in ("heading_open", "heading_close"):
            heading = kind == "heading_open"
        elif words := _block_words(token):
            if heading:
                words = f"**{words.replace('**', '')}**"
            if numbers:
                # Three blanks a level: that is inside an item for bullets and for numbers below ten.
                words = "   " * min(len(numbers) - 1, DEEPEST_LIST - 1) + (marker or "   ") + words
            if numbers and continued:
                blocks[-1] += "\n" + words
            else:
                blocks.append(words.lstrip())
            marker, continued = "", bool(numbers)
    return blocks


def _block_words(token: Token) -> str:
    if token.type == "inline":
        return _words(token.children)
    return _plain(token.content).strip() if token.type in ("fence", "code_block") else ""


def _words(children: Sequence[Token] | None) -> str:
    """The inline content of a block on one line."""
    said = ""
    for token in children or ():
        if token.type in _MARKS:
            said += _MARKS[token.type]
        elif token.type in ("softbreak", "hardbreak"):
            said += " "
        elif token.type in ("text", "code_inline", "image"):
            said += _plain(token.content)
    return said.strip()


def _plain(text: str) -> str:
    """Text that shows as it is, with the blanks around it kept."""
    text = _ADDRESS.sub("(link removed)", text)
    core = escape(text, LONGEST_ANSWER)
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and core else ""
    return before + core + after
