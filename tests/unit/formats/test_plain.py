"""Anyone's words as plain text."""

from __future__ import annotations

import pytest

from app.formats.plain import plain_line


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  two\n words\t", "two words"),
        (None, ""),
        ("a < b and c > d, AT&T", "a < b and c > d, AT&T"),
        ("<b>bold</b> <scr<script>ipt>alert(1)</script>", "bold alert(1)"),
        ("hi <img src=x onerror=alert(1)", "hi"),
        ("see https://evil.example/x?y and javascript:alert(1)", "see (link removed) and (link removed)"),
        ("a\u202eb\u200bc\x00d\ud800", "abcd?"),
        ("x" * 11, "x" * 9 + "…"),
    ],
    ids=["blanks", "nothing", "no-markup", "tags", "open-tag", "links", "hidden", "long"],
)
def test_what_is_kept(given: str | None, kept: str) -> None:
    assert plain_line(given, 10 if given == "x" * 11 else 100) == kept
