"""Every block of code in the docs, run as a reader would: page by page, from top to bottom, in one shell a page (CONTRIBUTING.md).

python -m tests.docs.blocks        lists them: what is run, what is not, and why
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import promql_parser
from markdown_it import MarkdownIt

from app.embedded.postgres import packaged_binaries
from tests.support.servers import ROOT

RUN = ("sh", "sql", "python", "js")
CHECKED = ("json", "promql")
SHOWN = ("text",)
WITH_A_REASON = ("yaml", "ini", "html", "ts")  # nothing here can run them
REASON = re.compile(r"<!-- not run: (.+) -->")
PATIENCE = 90  # seconds until a block has failed
LATER = re.compile(r"^(?! )(?P<command>\S.*?\S)\s+# a moment later.*$", re.MULTILINE)
PRELUDE = """set -euo pipefail; set -a
curl() { command curl --fail-with-body --max-time 30 "$@"; }
grep() { command grep "$@" || [ $? = 1 ]; }  # to find nothing is no failure
again() { for try in $(seq 150); do if "$@"; then return; fi; sleep 0.2; done; "$@"; }
"""


@dataclass(frozen=True)
class Block:
    """A block of code: where it stands, what it is, and why it is not run where it is not."""

    page: str
    line: int
    language: str
    code: str
    reason: str | None

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.language in RUN and self.reason is None

    def problem(self) -> str | None:
        """Why nobody can tell what to do with it."""
        if self.language not in (*RUN, *CHECKED, *SHOWN, *WITH_A_REASON):
            return f"{self.place}: a block needs one of {', '.join((*RUN, *CHECKED, *SHOWN, *WITH_A_REASON))} behind its fence, not {self.language!r}"
        if self.language in WITH_A_REASON and self.reason is None:
            return f"{self.place}: {self.language} is not run here; say why on the line above: <!-- not run: … -->"
        return None


def pages() -> list[Path]:
    """Every page of the docs."""
    own = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md")]
    return [*own, *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in their order. One that is indented and not fenced has no language."""
    return parse(page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8"))


def parse(name: str, text: str) -> list[Block]:
    """The blocks of a page's text."""
    lines, found = text.splitlines(), []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type in ("fence", "code_block"):
            above = REASON.fullmatch(lines[token.map[0] - 1].strip()) if token.map[0] else None
            found.append(Block(name, token.map[0] + 1, token.info.strip(), token.content, above[1] if above else None))
    return found


def all_blocks() -> list[Block]:
    """Those of all pages."""
    return [block for page in pages() for block in blocks_of(page)]


@dataclass(frozen=True)
class Outcome:
    """How a block ended; `error` is None where it did well."""

    block: Block
    seconds: float
    error: str | None


class Reader:
    """Somebody who types what the pages say, in a checkout, with `make up` running. `env` is what `buildos env` exports."""

    def __init__(self, checkout: Path, env: dict[str, str]):
        self._checkout = checkout
        path = os.pathsep.join([str(checkout / ".venv" / "bin"), str(packaged_binaries()), os.environ["PATH"]])
        self._env = {**os.environ, **env, "PATH": path, "PYTHONPATH": str(ROOT)}
        self._state = checkout / ".state"

    def read(self, page: Path) -> Iterator[Outcome]:
        """Run a page's blocks."""
        env, blocks = dict(self._env), blocks_of(page)
        python = [block for block in blocks if block.language == "python" and block.is_run]
        for block in blocks:
            began = time.monotonic()
            if block.language in CHECKED:
                yield Outcome(block, 0.0, _unreadable(block))
            elif block.is_run and (block.language != "python" or block is python[-1]):
                error = self._run(block, python, env)
                yield Outcome(block, time.monotonic() - began, error)
            elif block.is_run:
                yield Outcome(block, 0.0, None)  # runs with the page's last one: what it makes is used there
            if block.language == "sh" and block.is_run and self._state.exists():
                env = dict(line.split("=", 1) for line in self._state.read_text().split("\0") if "=" in line)
                self._state.unlink()

    def _run(self, block: Block, python: list[Block], env: dict[str, str]) -> str | None:
        if block.language == "sh":
            code = LATER.sub(lambda found: f"again {found['command']}", block.code)
            command, given = ["bash", "-c", f"{PRELUDE}{code}\nenv -0 > {self._state}"], None
        elif block.language == "sql":
            command, given = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-f", "-", env["DATABASE_URL"]], block.code
        elif block.language == "js":
            command, given = ["node", "--input-type=module", "-"], block.code
        else:
            command, given = [sys.executable, "-c", _PYTHON], json.dumps([(each.place, each.code) for each in python])
        try:
            done = subprocess.run(
                command,
                input=given or "",
                cwd=self._checkout,
                env=env,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            return f"{block.place}: not within {PATIENCE} s\n{late.stdout}\n{late.stderr}"
        if done.returncode == 0:
            return None
        return f"{block.place}: exit code {done.returncode}\n{block.code}--- it said\n{done.stdout[-1500:]}{done.stderr[-1500:]}"


_PYTHON = """import json, sys
names = {"__name__": "__main__"}
for place, code in json.load(sys.stdin):
    exec(compile(code, place, "exec"), names)
"""


def _unreadable(block: Block) -> str | None:
    try:
        {"json": _lines_of_json, "promql": promql_parser.parse}[block.language](block.code)
    except ValueError as error:
        return f"{block.place}: is not {block.language}: {error}"
    return None


def _lines_of_json(code: str) -> None:
    try:
        json.loads(code)
    except ValueError:
        for line in code.splitlines():
            json.loads(line)


def checkout(folder: Path) -> Path:
    """A folder that looks like a checkout after `make env`, with the files that the pages speak of."""
    for entry in ROOT.iterdir():
        if entry.name not in (".git", ".venv", ".buildos", "build"):
            (folder / entry.name).symlink_to(entry)
    bin = folder / ".venv" / "bin"
    bin.mkdir(parents=True)
    for name, arguments in (
        ("python", ""),
        ("buildos", " -m app.cli"),
        ("celery", " -m celery"),
        ("pytest", " -m pytest"),
    ):
        (bin / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{arguments} "$@"\n')
        (bin / name).chmod(0o755)
    for name, sample in (
        ("my-calendar.ics", "calendar.ics"),
        ("work.ics", "calendar.ics"),
        ("home.ics", "calendar.ics"),
        ("tasks.csv", "tasks.csv"),
    ):
        (folder / name).write_bytes((ROOT / "docs" / "samples" / sample).read_bytes())
    return folder


def summary(chosen: list[Path], outcomes: list[Outcome] | None = None) -> str:
    """What of these pages was run and what was not, with its reason."""
    found = [block for page in chosen for block in blocks_of(page)]
    run = [block for block in found if block.is_run or block.language in CHECKED]
    shown = [block for block in found if block.language in SHOWN]
    left = [block for block in found if block not in run and block not in shown]
    took = f" in {sum(outcome.seconds for outcome in outcomes):.1f} s" if outcomes else ""
    lines = [f"{len(run)} blocks run{took}, {len(left)} not run, {len(shown)} are output or sketches"]
    lines += [f"  not run: {block.place} ({block.language}): {block.reason}" for block in left]
    for outcome in sorted(outcomes or (), key=lambda each: -each.seconds)[:5]:
        lines.append(f"  {outcome.seconds:4.1f} s  {outcome.block.place} ({outcome.block.language})")
    return "\n".join(lines)


if __name__ == "__main__":
    print(summary(pages()))
