"""Markdown of ours, or of anybody, as HTML that is safe to show (CONTRACT 10)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import nh3

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

WORDS = {
    "p", "br", "h1", "h2", "h3", "h4", "ul", "ol", "li", "strong", "em", "b", "i", "u", "s", "del", "a", "hr", "blockquote", "code", "pre",
    "table", "thead", "tbody", "tfoot", "tr", "th", "td",
}  # fmt: skip
"""The elements that Markdown needs. Pictures are not among them: one in a task's title would be somebody's pixel."""
SCHEMES = {"http", "https", "mailto", "tel"}


@cache
def reader() -> MarkdownIt:
    """What reads our Markdown. Raw HTML in it stays what it is: text."""
    from markdown_it import MarkdownIt  # slow to import; most processes write no HTML

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def safe_html(markdown: str) -> str:
    """An HTML fragment: the elements of `WORDS` alone, no style, links to `SCHEMES` alone, opened without telling where from."""
    return nh3.clean(
        reader().render(markdown),
        tags=WORDS,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer",
    )
