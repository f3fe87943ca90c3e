"""Markdown becomes HTML that can do nothing."""

from __future__ import annotations

import re

import pytest

from app.formats.markdown import safe_html


def test_markdown_is_rendered() -> None:
    assert safe_html("# Today\n\n- *one*\n- ~~two~~") == "<h1>Today</h1>\n<ul>\n<li><em>one</em></li>\n<li><s>two</s></li>\n</ul>\n"
    assert "<td>1</td>" in safe_html("| a |\n|---|\n| 1 |")


def test_a_link_tells_nobody_where_it_was_followed() -> None:
    assert safe_html("[a](https://example.com)") == '<p><a href="https://example.com" rel="noopener noreferrer">a</a></p>\n'


@pytest.mark.parametrize(
    "bad",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,hi)",
        "![pixel](https://evil.example/x.gif)",
        '<a href="https://x" onclick="y" style="position:fixed">x</a>',
        "<iframe src=https://evil.example></iframe>",
    ],
    ids=["script", "handler", "javascript", "data", "picture", "attributes", "frame"],
)
def test_nothing_runs_and_nothing_is_fetched(bad: str) -> None:
    elements = re.findall(r"<[^>]*>", safe_html(f"Before {bad} after"))
    assert set(elements) <= {"<p>", "</p>", '<a rel="noopener noreferrer">', "</a>"}
