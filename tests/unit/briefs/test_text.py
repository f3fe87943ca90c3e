"""Other people's text inside our Markdown, and dates in words."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.features.briefs.text import clock, count, escape, excerpt, listing, long_date, named, offset, short_date

COMMONMARK = MarkdownIt("commonmark")
GITHUB = MarkdownIt("gfm-like", {"linkify": False, "html": True})


def shown(markdown: str, parser: MarkdownIt) -> tuple[str, set[str]]:
    """The text a reader sees of a document, and the kinds of markup in it."""
    text, kinds = "", set()
    for block in parser.parse(markdown):
        kinds.add(block.type)
        for token in block.children or ():
            kinds.add(token.type)
            text += token.content
    return text, kinds


PLAIN_LIST = {"bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close", "paragraph_open",
              "paragraph_close", "inline", "text", "text_special"}  # fmt: skip
NASTY = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</li></ul><h1>gone", "<!-- hide", "&lt;b&gt; &amp; &#60;",
    "[click](javascript:alert(1))", "![x](http://evil.example/p.gif)", "[a]: http://evil.example", "<http://evil.example>",
    "# heading", "- item", "+ item", "* item", "1. one", "23) x", "> quote", "---", "***", "___", "===", "~~gone~~", "```sh", "~~~",
    "`code`", "**bold**", "_it_", "__x__", "snake_case_name", "a | b", "|---|", "\\", "\\*", "ends with \\", "*", "_", "[", "] [",
    "line\nbreak\r\nand\u2028more", "    indented", "\ttab", "[ ] todo", "[x] done", "a < b > c", "-> next", "100%", "#tag",
]  # fmt: skip


@pytest.mark.parametrize("parser", [COMMONMARK, GITHUB], ids=["commonmark", "github"])
@pytest.mark.parametrize("title", NASTY)
def test_a_title_shows_as_it_was_typed(title: str, parser: MarkdownIt) -> None:
    text, kinds = shown(f"- {escape(title)}", parser)
    assert text == " ".join(title.split())
    assert kinds <= PLAIN_LIST
    bold, kinds = shown(f"- **{named(title)}** · x", parser)
    assert bold == " ".join(title.split()) + " · x"
    assert kinds <= PLAIN_LIST | {"strong_open", "strong_close"}


@settings(max_examples=400, deadline=None)
@given(st.text(st.sampled_from("ab1 \n\t\\`*_[](){}#+-.!|<>&;~=:\"'/\u2028é🎉"), max_size=30))
def test_no_title_gets_out_of_its_line(title: str) -> None:
    for parser in (COMMONMARK, GITHUB):
        text, kinds = shown(f"- {escape(title)}\n- next", parser)
        assert kinds <= PLAIN_LIST
        assert re.sub(r"\s", "", text) == re.sub(r"\s", "", title) + "next"


def test_what_hides_or_turns_text_is_dropped() -> None:
    assert escape("pay\u202e100\u2066 \x00\x07now\u200b\ufeff") == "pay100 now"


def test_a_flag_or_a_family_stays_whole() -> None:
    assert escape("👩‍👧 🇩🇪") == "👩‍👧 🇩🇪"


def test_long_titles_end_in_an_ellipsis_and_no_half_escape() -> None:
    assert escape("*" * 300, 10) == "\\*" * 9 + "…"


@pytest.mark.parametrize("title", [None, "", "  \n ", "\u202e"])
def test_a_title_is_never_empty(title: str | None) -> None:
    assert (escape(title), named(title)) == ("", "(no title)")


def test_an_excerpt_is_one_line_of_plain_words() -> None:
    note = "# Decisions\n\n- blue, not green\n- [x] domain moved.\n1. call *Anna*\n> she said so"
    assert excerpt(note) == "Decisions: blue, not green; domain moved. call Anna; she said so"
    assert excerpt("**bold** and `code`, 2 * 3 * 4, snake_case_name") == "bold and code, 2 \\* 3 \\* 4, snake_case_name"
    assert excerpt("word " * 100, 20) == "word word word word…"
    assert excerpt(None) == excerpt("\n # \n") == ""


def test_dates_and_counts_in_words() -> None:
    assert long_date(date(2026, 11, 22)) == "Sunday, 22 November 2026"
    assert short_date(date(2026, 3, 1)) == "Sun 1 Mar"
    assert clock(datetime(2026, 1, 1, 9, 5)) == "09:05"
    assert [count(n, "day") for n in (0, 1, 2)] == ["0 days", "1 day", "2 days"]
    assert [listing(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("minutes", "words"), [(0, "UTC"), (60, "UTC+1"), (-570, "UTC−9:30"), (345, "UTC+5:45"), (-240, "UTC−4")]
)
def test_offsets(minutes: int, words: str) -> None:
    assert offset(datetime(2026, 1, 1, tzinfo=timezone(timedelta(minutes=minutes)) if minutes else UTC)) == words
