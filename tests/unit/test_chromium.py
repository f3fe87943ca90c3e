"""The tests in a browser run where there is one, and where there is none the summary says so."""

from __future__ import annotations

from pathlib import Path

from tests.support.chromium import not_run, program, what_is_missing


def test_a_browser_of_playwrights_is_found_where_the_system_has_none(tmp_path: Path) -> None:
    assert program((), (tmp_path,)) is None
    shell = tmp_path / "chromium_headless_shell-1" / "chrome-linux" / "headless_shell"
    shell.parent.mkdir(parents=True)
    shell.write_text("#!/bin/sh\n")
    assert program((), (tmp_path,)) is None  # it cannot be run
    shell.chmod(0o755)
    assert program((), (tmp_path,)) == shell


def test_what_is_missing_says_what_helps(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    assert "scripts/get-chromium" in str(what_is_missing(None, page))
    assert "make console" in str(what_is_missing(tmp_path / "chromium", page))
    page.write_text("")
    assert what_is_missing(tmp_path / "chromium", page) is None


def test_the_summary_speaks_of_tests_that_were_asked_for_and_did_not_run() -> None:
    folder = Path("/clone/tests/browser")
    said = "tests/browser did not run: there is no Chromium"
    for asked in ("/clone", "/clone/tests", "/clone/tests/browser", "/clone/tests/browser/test_brief.py"):
        assert not_run("there is no Chromium", [Path(asked)], folder) == said
    assert not_run("there is no Chromium", [Path("/clone/tests/unit")], folder) is None
    assert not_run(None, [Path("/clone")], folder) is None
