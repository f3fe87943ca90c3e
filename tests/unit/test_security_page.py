"""The page of security names tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path


def test_every_test_that_the_page_names_exists(root: Path) -> None:
    named: list[tuple[str, str]] = []
    path = ""
    for found, test in re.findall(r"`(tests/[\w/]+\.py)?::(\w+)`", (root / "docs/security.md").read_text(encoding="utf-8")):
        path = found or path
        named.append((path, test))
    assert len(named) >= 30
    missing = [
        (path, test) for path, test in named
        if test not in {node.name for node in ast.walk(ast.parse((root / path).read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)}
    ]  # fmt: skip
    assert missing == []
