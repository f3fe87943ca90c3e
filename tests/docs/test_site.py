"""The docs build as a site, strictly, whose pages ask nobody else for anything; the pages made from the code are as the code is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import pages
from tests.support.servers import ROOT, Database

LOADS = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"(?:https?:)?//[^\"]*\"|<link\b[^>]*\bhref=\"(?:https?:)?//[^\"]*\"[^>]*>"
)


def build(root: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """`mkdocs build --strict`, as `make docs` does."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=root, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_site_is_whole_and_asks_nobody_else(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {
        page.relative_to(tmp_path).as_posix(): page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html")
    }
    assert {
        "index.html",
        "contributing.html",
        "decisions/index.html",
        "jobs/index.html",
        "reference/endpoints.html",
    } <= found.keys()
    assert {
        name: hits
        for name, text in found.items()
        if (hits := [hit for hit in LOADS.findall(text) if 'rel="canonical"' not in hit])
    } == {}
    assert "pictures/life-of-a-job.svg" in found["concepts.html"]


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_from_the_code_is_as_the_code_is(name: str) -> None:
    assert (pages.DOCS / name).read_text(encoding="utf-8") == pages.PAGES[name](), "make docs-pages"


@pytest.mark.parametrize("name", pages.FROM_THE_DATABASE)
def test_a_page_from_the_database_is_as_the_database_is(name: str, database: Database) -> None:
    assert (pages.DOCS / name).read_text(encoding="utf-8") == pages.FROM_THE_DATABASE[name](database.url), (
        "make docs-pages"
    )


def test_a_link_that_leads_nowhere_stops_the_build(tmp_path: Path) -> None:
    for name in ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench", "app", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "docs").mkdir()
    wrong = "[gone](nowhere.md) [code](../app/no_such_module.py) [anchor](glossary.md#no-such-word)"
    (tmp_path / "docs" / "glossary.md").write_text(f"# Words\n\n{wrong}\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    for words in ("nowhere.md, which does not exist", "no_such_module.py, which does not exist", "no-such-word"):
        assert words in done.stdout + done.stderr
