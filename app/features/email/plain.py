"""The text part of a mail: Markdown or HTML as lines that read well without any markup."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.token import Token

WIDTH = 76
_UNDERLINES = {"h1": "=", "h2": "-"}
_BLOCKS = {
    "address", "article", "blockquote", "center", "div", "dl", "dt", "dd", "fieldset", "footer", "form", "h1", "h2", "h3", "h4",
    "h5", "h6", "header", "hr", "main", "ol", "p", "pre", "section", "table", "tr", "ul",
}  # fmt: skip
_UNSEEN = {"script", "style", "head", "title", "template", "noscript"}


def text_of_markdown(tokens: Sequence[Token]) -> str:
    """Parsed Markdown as plain text.

    Headings underlined, lists with their marks, links with their address behind them.
    """
    return "\n\n".join(block for block in _blocks(list(tokens)) if block.strip()) + "\n"


def _blocks(tokens: list[Token]) -> Iterator[str]:
    index = 0
    while index < len(tokens):
        token = tokens[index]
        end = _closing(tokens, index)
        inside = tokens[index + 1 : end]
        if token.type == "heading_open":
            title = _inline(inside)
            yield f"{title}\n{_UNDERLINES.get(token.tag, '~') * min(len(title), WIDTH)}"
        elif token.type == "paragraph_open":
            yield _wrap(_inline(inside))
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            yield _list(inside, int(token.attrGet("start") or 1) if token.type == "ordered_list_open" else None)
        elif token.type == "blockquote_open":
            yield textwrap.indent("\n\n".join(_blocks(inside)), "> ", lambda _: True)
        elif token.type in ("fence", "code_block"):
            yield textwrap.indent(token.content.rstrip("\n"), "    ")
        elif token.type == "hr":
            yield "-" * 20
        elif token.type == "table_open":
            yield _table(inside)
        elif token.type == "inline":
            yield _wrap(_inline([token]))
        index = end + 1


def _closing(tokens: list[Token], index: int) -> int:
    """Where the token at `index` is closed; itself when it stands alone."""
    if tokens[index].nesting != 1:
        return index
    level = tokens[index].level
    return next(i for i in range(index + 1, len(tokens)) if tokens[i].nesting == -1 and tokens[i].level == level)


def _list(tokens: list[Token], number: int | None) -> str:
    items = []
    index = 0
    while index < len(tokens):
        end = _closing(tokens, index)
        tight = all(token.hidden for token in tokens[index:end] if token.type == "paragraph_open")
        body = ("\n" if tight else "\n\n").join(_blocks(tokens[index + 1 : end]))
        mark = "- " if number is None else f"{number + len(items)}. "
        items.append(mark + textwrap.indent(body, " " * len(mark)).lstrip())
        index = end + 1
    return "\n".join(items)


def _table(tokens: list[Token]) -> str:
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_inline([token]))
    return "\n".join(" | ".join(row) for row in rows)


def _inline(tokens: list[Token]) -> str:
    said = ""
    address = ""
    start = 0
    for token in (child for parent in tokens for child in parent.children or ()):
        if token.type in ("text", "code_inline"):
            said += token.content
        elif token.type in ("softbreak", "hardbreak"):
            said += " " if token.type == "softbreak" else "\n"
        elif token.type == "image":
            said += token.content
        elif token.type == "link_open":
            address, start = str(token.attrGet("href") or ""), len(said)
        elif token.type == "link_close":
            said += _behind(said[start:], address)
    return said


def _behind(text: str, address: str) -> str:
    """A link's address in brackets, where it says more than the text before it."""
    bare = address.removeprefix("mailto:")
    return f" ({bare})" if address.startswith(("http://", "https://", "mailto:")) and text != bare else ""


def _wrap(text: str) -> str:
    return "\n".join(
        textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False) for line in text.split("\n")
    )


def text_of_html(html: str) -> str:
    """Anyone's HTML as plain text; its links with their address behind them."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = [" ".join(line.split()) for line in "".join(reader.said).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


class _Reader(HTMLParser):
    """Collects what a reader would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._unseen = 0
        self._address = ""
        self._start = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag in _BLOCKS:
            self.said.append("\n\n" if tag != "tr" else "\n")
        elif tag == "br":
            self.said.append("\n")
        elif tag == "li":
            self.said.append("\n- ")
        elif tag in ("td", "th"):
            self.said.append(" ")
        elif tag == "a":
            self._address, self._start = dict(attrs).get("href") or "", len(self.said)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _BLOCKS:
            self.said.append("\n\n" if tag != "tr" else "\n")
        elif tag == "a" and self._address:
            self.said.append(_behind("".join(self.said[self._start :]).strip(), self._address))
            self._address = ""

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.said.append(re.sub(r"\s+", " ", data))
