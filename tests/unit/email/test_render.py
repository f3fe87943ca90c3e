"""What a mail looks like, and what nobody can put into one."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.features.briefs.text import escape
from app.features.email import render
from app.features.email.plain import text_of_html
from app.features.email.rules import Tracking

HERE = "https://jobs.example.com"
BRIEF = """# Sunday, 22 November 2026

Hello Ada, here is your day.

## In short

**2 tasks are overdue**, see [the board](https://board.example/?a=1&b=2) or [write](mailto:bob@example.com) or [here](/x#y).

1. **Send \\*the\\* invoice** &lt;now&gt; · Website
2. Call Bob
   - about tea

> quoted

| day | hours |
|-----|-------|
| Mon | 7 |

---

*Times are in Europe/Berlin.*
"""


class Seen(HTMLParser):
    """The tags and attributes a mail client would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str, attribute: str) -> list[str | None]:
        return [attrs.get(attribute) for name, attrs in self.tags if name == tag]


def tracked() -> Tracking:
    return Tracking(HERE, "abc")


class TestBrief:
    def test_the_text_part_reads_well(self) -> None:
        assert render.brief("s", BRIEF, tracked()).text == (
            "Sunday, 22 November 2026\n========================\n\n"
            "Hello Ada, here is your day.\n\n"
            "In short\n--------\n\n"
            "2 tasks are overdue, see the board (https://board.example/?a=1&b=2) or write\n(bob@example.com) or here.\n\n"
            "1. Send *the* invoice <now> · Website\n2. Call Bob\n   - about tea\n\n"
            "> quoted\n\nday | hours\nMon | 7\n\n--------------------\n\nTimes are in Europe/Berlin.\n\n"
            "-- \nBuildOS sends you this brief because emails are switched on in your brief preferences.\n"
        )

    def test_links_are_wrapped_where_they_can_be(self) -> None:
        tracking = tracked()
        seen = Seen(render.brief("s", BRIEF, tracking).html)
        assert seen.all("a", "href") == [
            f"{HERE}/email/track/click/abc?url=https%3A%2F%2Fboard.example%2F%3Fa%3D1%26b%3D2", "mailto:bob@example.com", "/x#y",
        ]  # fmt: skip
        assert tracking.urls == ["https://board.example/?a=1&b=2"]

    def test_the_pixel_is_there_when_the_outside_can_reach_us_and_only_then(self) -> None:
        assert Seen(render.brief("s", BRIEF, tracked()).html).all("img", "src") == [f"{HERE}/email/track/open/abc"]
        untracked = render.brief("s", BRIEF, Tracking(None, "abc")).html
        assert "<img" not in untracked and "/email/track/" not in untracked
        assert 'href="https://board.example/?a=1&amp;b=2"' in untracked

    def test_it_is_made_for_mail_clients(self) -> None:
        html = render.brief("s", BRIEF, tracked()).html
        seen = Seen(html)
        layout = [attrs for tag, attrs in seen.tags if tag == "table" and "role" in attrs]
        assert layout and all(attrs["role"] == "presentation" for attrs in layout)
        assert all(attrs.get("style") for tag, attrs in seen.tags if tag in ("h1", "h2", "p", "li", "a"))
        assert "prefers-color-scheme:dark" in html and '<meta name="color-scheme" content="light dark">' in html
        assert not {"script", "link", "svg", "form"} & {tag for tag, _ in seen.tags}
        assert len(html.encode()) < 102_000  # Gmail cuts what is longer

    def test_the_preview_line_says_something(self) -> None:
        hidden = re.search(r"<div style=\"display:none[^>]*>(.*?)&#847;", render.brief("s", BRIEF, tracked()).html)
        assert hidden and hidden[1].startswith("2 tasks are overdue, see the board")

    def test_names_keep_their_spelling_in_headings(self) -> None:
        assert "Große Pläne\n~~~~~~~~~~~\n" in render.brief("s", "### Große Pläne\n", tracked()).text

    def test_an_empty_brief_is_a_page_too(self) -> None:
        assert render.brief("", "", tracked()).subject == "(no subject)"


SAMPLES = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))", "[x](JaVa\tScript:alert(1))", "[x](data:text/html;base64,PHNjcmlwdD4=)", "![x](https://evil.example/p.gif)",
    "![x](javascript:alert(1))", "<style>*{display:none}</style>", "<iframe src=//evil.example>", "[x](https://a.example/\"onmouseover=alert(1))",
    "<https://a.example/?x=<script>>", "`<script>alert(1)</script>`", "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">",
    "</td></table><h1>gone</h1>", "--></style><script>alert(1)</script>", "[x]: javascript:alert(1)\n\n[x]", "<form action=//evil.example><input>",
    "<base href=//evil.example>", "<meta http-equiv=refresh content=0>", "<object data=x>", "<p style='position:fixed'>x</p>",
]  # fmt: skip


def assert_harmless(html: str, *, pictures: int) -> None:
    seen = Seen(html)
    assert not {"script", "iframe", "object", "embed", "form", "input", "svg", "math", "base", "link"} & {
        tag for tag, _ in seen.tags
    }
    assert len(seen.all("img", "src")) == pictures
    for tag, attrs in seen.tags:
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
        for name in ("href", "src"):
            assert re.match(r"(https?|mailto|tel):|[/#?]|$", attrs.get(name) or "", re.IGNORECASE), (tag, attrs)
        assert "position" not in (attrs.get("style") or "")


class TestNothingRuns:
    @pytest.mark.parametrize("sample", SAMPLES)
    def test_in_a_brief(self, sample: str) -> None:
        assert_harmless(render.brief(sample, f"# {sample}\n\n{sample}\n\n- {sample}\n", tracked()).html, pictures=1)

    @pytest.mark.parametrize("sample", SAMPLES)
    def test_in_a_notification(self, sample: str) -> None:
        assert_harmless(render.notification(sample, sample, sample, sample, sample, tracked()).html, pictures=1)

    @pytest.mark.parametrize("sample", SAMPLES)
    def test_in_html_of_others(self, sample: str) -> None:
        content = render.message(sample, f"<div>{sample}</div>", None, Tracking(None, "abc"))
        assert_harmless(content.html.replace('<img src="x">', "").replace("<img>", ""), pictures=0)

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.text(st.sampled_from("<>\"'&=/[]()!:`abjs \n-#*|"), max_size=80))
    def test_whatever_it_is(self, text: str) -> None:
        assert_harmless(render.brief(text, text, tracked()).html, pictures=1)

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(st.text(max_size=60))
    def test_a_title_shows_as_the_very_characters_it_is(self, title: str) -> None:
        shown = render.brief("s", f"**{escape(title)}**\n", tracked()).html
        assert "<script" not in shown


class TestNotification:
    def test_a_title_is_text_and_the_button_is_counted(self) -> None:
        tracking = tracked()
        made = render.notification("s", "Ben & <b>Co</b>", "Do **it**.", "https://app.example/t/1", "Open", tracking)
        assert "Ben &amp; &lt;b&gt;Co&lt;/b&gt;</h1>" in made.html and "<strong>it</strong>" in made.html
        assert tracking.urls == ["https://app.example/t/1"]
        assert made.text.startswith("Ben & <b>Co</b>\n\nDo it.\n\nOpen: https://app.example/t/1\n")

    @pytest.mark.parametrize("url", [None, "", "javascript:alert(1)", "/relative", "mailto:a@b.example"])
    def test_no_button_leads_anywhere_else(self, url: str | None) -> None:
        assert (
            'class="button"' not in render.notification("s", "t", "b", url, "Open", tracked()).html.split("</style>")[1]
        )


class TestMessage:
    HTML = (
        "<html><head><title>T</title><style>p{}</style></head><body><table bgcolor='#fff'><tr><td style='color:red;position:fixed'>"
        "Hi <a href='https://a.example/?x=1&amp;y=2' onclick='x()'>there</a><br>bye <img src='https://pics.example/a.png' alt=cat>"
        "<img src='data:image/png;base64,AAAA'></td></tr></table></body></html>"
    )

    def test_layout_stays_and_links_are_counted(self) -> None:
        tracking = tracked()
        made = render.message("Hi", self.HTML, None, tracking)
        assert '<table bgcolor="#fff">' in made.html and 'style="color:red"' in made.html
        assert tracking.urls == ["https://a.example/?x=1&y=2"]
        assert "data:" not in made.html and "https://pics.example/a.png" in made.html and "p{}" not in made.html

    def test_the_text_part_is_made_where_it_is_missing(self) -> None:
        assert render.message("Hi", self.HTML, None, tracked()).text == "Hi there (https://a.example/?x=1&y=2)\nbye\n"
        assert render.message("Hi", self.HTML, "own words", tracked()).text == "own words"

    def test_text_alone_stays_text(self) -> None:
        made = render.message("Hi", None, "<b>plain</b>", tracked())
        assert (made.text, made.html) == ("<b>plain</b>", None)

    def test_text_of_html(self) -> None:
        html = "<h1>A</h1><p>b\n c</p><ul><li>d<li>e</ul><script>x</script><p>f &amp; g &#8364;</p><a href='javascript:x'>h</a>"
        assert text_of_html(html) == "A\n\nb c\n\n- d\n- e\n\nf & g €\n\nh\n"
