"""The picture is XML, the JSON has its shape, the table its lines."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console

from bench.contenders import CONTENDERS, choose
from bench.picture import WIDTH, Bar, bars, lines
from bench.report import Report
from bench.throughput import ratios, summarise

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_values():
    drawn = ElementTree.fromstring(bars("A & B", "<small>", [Bar("a", 100, "100", True), Bar("b", 50, "50")]))
    lengths = [float(rect.get("width")) for rect in drawn.iter(f"{SVG}rect")][1:]  # the first is the paper
    assert lengths[0] == 2 * lengths[1]
    assert drawn.get("aria-label") == "A & B"
    assert "<small>" in [text.text for text in drawn.iter(f"{SVG}text")]


def test_a_picture_of_nothing_is_a_picture():
    assert ElementTree.fromstring(bars("none", "", [])).get("width") == str(WIDTH)
    assert ElementTree.fromstring(lines("none", "", {}, "MB")).tag == f"{SVG}svg"


def test_lines_stay_inside():
    drawn = ElementTree.fromstring(lines("memory", "", {"api": [(0, 0), (5, 50), (10, 100)]}, "MB"))
    (line,) = drawn.iter(f"{SVG}polyline")
    points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
    assert all(0 <= x <= WIDTH and 0 <= y <= float(drawn.get("height")) for x, y in points)
    assert points[0][1] > points[1][1] > points[2][1]  # up is less


def test_ratios_are_in_units_of_stock_celery():
    rates = {
        "ours": [200, 220],
        "ours-leases": [1500, 1500],
        "celery": [100, 100],
        "celery-db": [50, 50],
        "rq": [10, 10],
    }
    found = ratios({name: [{"rate": rate} for rate in values] for name, values in rates.items()})
    assert found["default_lane"] == 2.1
    assert found["leases"] == 15
    assert found["db_backend"] == 4.2
    assert found["peers"] == {"celery-db": 0.5, "rq": 0.1}
    assert found["events"] is None


def test_a_round_that_failed_counts_for_nobody():
    assert summarise([{}, {}]) == {"rate": None, "rates": []}
    assert ratios({"ours": [{}, {"rate": 30}], "celery": [{"rate": 10}, {"rate": 10}]})["default_lane"] == 1.5


def test_contenders_are_chosen_by_name_or_pattern():
    assert [c.name for c in choose("ours,celery")] == ["ours", "celery"]
    assert {c.name for c in choose("celery*")} == {"celery", "celery-events", "celery-redis", "celery-db"}
    assert choose(None) == list(CONTENDERS)


def test_a_report_is_written_in_its_three_forms(tmp_path: Path):
    report = Report(
        "x", "A title", {"jobs": 1}, ("", "value"), [("a", "1")], {"results": {}}, bars("x", "", []), notes=["a note"]
    )
    report.write(tmp_path / "new" / "x.json", tmp_path / "new" / "x.svg")
    written = json.loads((tmp_path / "new" / "x.json").read_text())
    assert {"name", "at", "machine", "versions", "settings", "results", "notes"} == set(written)
    assert {"cpu", "cores", "memory_gb", "python", "commit"} <= set(written["machine"])
    out = io.StringIO()
    report.show(Console(file=out, width=100))
    assert "A title" in out.getvalue()
    assert "a note" in out.getvalue()
