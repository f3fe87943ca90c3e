"""The README shows the last runs, whole and as they were written down."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bench import front

STAGE = {"p50": 4.0, "p95": 6.0, "p99": 8.5}
THROUGHPUT = {
    "at": "2026-11-22T05:00:00Z",
    "machine": {"cores": 2, "python": "3.11.7", "commit": "abc1234"},
    "settings": {"jobs": 20_000, "rounds": 3},
    "results": {"ours": {"rate": 2000.0}, "ours-leases": {"rate": 18_000.0}, "celery": {"rate": 1000.0}, "rq": {"rate": None}},
    "ratios": {"default_lane": 2.0, "leases": 18.0, "peers": {"rq": None}},
}
LATENCY = {"results": {"ours-sql": {"idle": {"start": STAGE, "browser": STAGE}}, "celery": {"idle": {"start": STAGE}}}}


def test_the_picture_holds_both_runs():
    drawn = ElementTree.fromstring(front.speed(THROUGHPUT, LATENCY))
    words = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"18,000", "2,000", "ours-sql, idle", "4.0 / 6.0 / 8.5"} <= set(words)
    assert "rq" not in words  # was not measured


def test_the_table_says_who_and_how_to_repeat_it():
    said = front.lines(THROUGHPUT, LATENCY)
    assert "| BuildOS, leases | 18,000 | 18.00 |" in said and "| stock Celery on Redis, no results | 1,000 | 1.00 |" in said
    assert "abc1234" in said and "4.0 / 6.0 / 8.5 ms" in said and "buildos bench throughput" in said
    assert "| rq" not in said


def test_only_what_stands_between_the_marks_is_replaced():
    begin, end = front.MARKS
    text = f"before\n{begin}\nold\n{end}\nafter"
    assert front.replaced(text, "new \\1") == f"before\n{begin}\nnew \\1\n{end}\nafter"
    with pytest.raises(ValueError, match="README"):
        front.replaced("no marks", "new")
    assert begin in (front.CHECKOUT / "README.md").read_text()
