"""Chromium for the tests in a browser: where it is, and how it is started. Nothing here installs it: `scripts/get-chromium` does."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Where Playwright puts its own: into the environment (scripts/get-chromium), or the user's cache.
FOLDERS = (Path(sys.prefix) / "browsers", Path.home() / ".cache" / "ms-playwright", Path.home() / "Library" / "Caches" / "ms-playwright")
PROGRAMS = ("*/chrome-linux*/headless_shell", "*/chrome-headless-shell-*/chrome-headless-shell", "*/chrome-linux*/chrome", "*/chrome-mac*/*.app/Contents/MacOS/*")
# No sandbox, as it cannot be had as root; and nothing that calls home.
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--force-color-profile=srgb",
)  # fmt: skip
CONSOLE = ROOT / "app" / "web" / "console" / "index.html"


def program(names: Sequence[str] = NAMES, folders: Sequence[Path] = FOLDERS) -> Path | None:
    """The Chromium of this machine, or None: by its name on the PATH, else in a folder of Playwright's."""
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    for folder in folders:
        for pattern in PROGRAMS:
            if found := sorted(each for each in folder.glob(pattern) if os.access(each, os.X_OK)):
                return found[-1]
    return None


def what_is_missing(found: Path | None, console: Path = CONSOLE) -> str | None:
    """Why no test can run in a browser here, and what helps; None where they can. `found` is what `program` found."""
    if found is None:
        return "there is no Chromium on this machine; scripts/get-chromium installs it"
    if not console.is_file():
        return "the console is not built; make console does it"
    return None


def not_run(missing: str | None, asked: Iterable[Path], tests: Path) -> str | None:
    """What the summary of a run says of `tests` (a folder) that did not run although it was asked for; None where there is nothing to say."""
    wanted = any(path == tests or path in tests.parents or tests in path.parents for path in asked)
    return f"{tests.parent.name}/{tests.name} did not run: {missing}" if missing and wanted else None


@contextmanager
def running() -> Iterator:
    """A browser of Playwright's."""
    from playwright.sync_api import sync_playwright  # its threads and its loop are for those alone who drive a browser

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(program()), args=list(ARGUMENTS))
        yield browser
        browser.close()
