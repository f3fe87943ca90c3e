"""Alerts, dashboard and runbook speak of metrics that exist, and the runbook's commands work."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from sqlalchemy import text
from typer.main import get_command

from app.cli import app as cli
from tests.support.people import add_user
from tests.support.servers import ROOT

RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules/alerts.yml").read_text())["groups"][0]["rules"]
BOARD = json.loads((ROOT / "deploy/grafana/dashboards/buildos.json").read_text())
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
EVERYBODYS = {"job", "instance"}  # labels that Prometheus adds
OTHERS = {"up": set(), "process_resident_memory_bytes": set()}


def metrics() -> dict[str, set[str]]:
    """The series of docs/metrics.md, which is held to what is served, with their labels."""
    rows = re.findall(r"\| `(\w+)`(?: \*process\*)? \| (\w+) \|([^|]*)\|", (ROOT / "docs/metrics.md").read_text())
    found: dict[str, set[str]] = dict(OTHERS)
    for name, kind, labels in rows:
        own = set(re.findall(r"`(\w+)`", labels))
        if kind == "histogram":
            found |= {f"{name}_bucket": own | {"le"}, f"{name}_count": own, f"{name}_sum": own}
        else:
            found[name] = own
    return found


def series(node: Any) -> Iterator[Any]:
    """The series that a query selects. Raises ValueError where it is no PromQL."""
    if isinstance(node, str):
        node = promql_parser.parse(node.replace("$__rate_interval", "5m"))
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "args"):
        inner = getattr(node, name, None)
        for one in inner if isinstance(inner, list) else [inner]:
            if one is not None:
                yield from series(one)


def check(query: str) -> None:
    """Assert that a query asks for series and labels that exist."""
    known = metrics()
    asked = list(series(query))
    assert asked, query
    for one in asked:
        assert one.name in known, f"{one.name} is no metric: {query}"
        named = {matcher.name for matcher in one.matchers.matchers}
        assert named <= known[one.name] | EVERYBODYS, f"{one.name} has no {named - known[one.name]}"
    grouped = {label.strip() for part in re.findall(r"\b(?:by|on) \(([^)]*)\)", query) for label in part.split(",")}
    assert grouped <= set().union(*(known[one.name] for one in asked)) | EVERYBODYS, query


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_a_rule_is_whole_and_has_its_section(rule: dict[str, Any]) -> None:
    check(rule["expr"])
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"} and re.fullmatch(r"\d+[smh]", rule["for"])
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    labels = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"]))
    assert labels <= set().union(*(metrics()[one.name] for one in series(rule["expr"]))) | EVERYBODYS
    section = RUNBOOK.split(f"## {rule['alert']}\n")[1].split("\n## ")[0]
    assert all(f"**{part}.**" in section for part in ("Meaning", "Check", "Cure"))


def test_no_section_is_without_its_alert() -> None:
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_every_query_of_the_dashboard_asks_for_what_there_is() -> None:
    panels = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"]) and len(panels) > 20
    for panel in panels:
        assert panel["datasource"]["uid"] == "prometheus" and panel["targets"], panel["title"]
        for target in panel["targets"]:
            check(target["expr"])


def test_the_queries_of_the_page_of_metrics() -> None:
    for query in re.findall(r"```promql\n(.*?)```", (ROOT / "docs/metrics.md").read_text(), re.DOTALL):
        check(query)


def test_the_check_sees_what_it_must() -> None:
    for wrong in ("buildos_nothing", 'buildos_jobs{colour="red"}', "sum by (colour) (buildos_jobs)"):
        with pytest.raises(AssertionError):
            check(wrong)
    with pytest.raises(ValueError):
        check("sum(rate(buildos_jobs[5m)")


def commands() -> Iterator[list[str]]:
    """Each command of the runbook, in words."""
    for block in re.findall(r"```sh\n(.*?)```", RUNBOOK, re.DOTALL):
        for line in block.splitlines():
            yield shlex.split(line, comments=True)


def test_the_commands_work(http, database, root: Path) -> None:
    add_user(database.engine)
    tried = {"psql": 0, "curl": 0, "buildos": 0}
    for words in commands():
        if words[0] == "psql":
            with database.engine.begin() as conn:
                conn.execute(text(words[words.index("-c") + 1].replace(":", "\\:")))
        elif words[0] == "curl":
            words = words[: words.index("|")] if "|" in words else words
            (path,) = [word.removeprefix("$BUILDOS_API_URL") for word in words if word.startswith("$BUILDOS_API_URL")]
            method = words[words.index("-X") + 1] if "-X" in words else "GET"
            body = words[words.index("-d") + 1] if "-d" in words else None
            answer = http.open(path, method=method, data=body, content_type="application/json" if body else None)
            assert answer.status_code == 200, f"{words}: {answer.text}"
        else:
            assert words[0] == "buildos" and words[1] in get_command(cli).commands, words
        tried[words[0]] += 1
    assert min(tried.values()) >= 2 and sum(tried.values()) > 25
