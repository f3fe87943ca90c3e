"""What the docs tell a reader to type works as it stands, on the system that `buildos up` starts.

The pages that a stranger reads first; with DOCS=all, as `make docs-test` has it, every page.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import CHECKED, Block, Outcome, Reader, all_blocks, blocks_of, checkout, pages, parse, summary
from tests.support.command import Command
from tests.support.own_types import EXAMPLE
from tests.support.servers import ROOT

FIRST = ("README.md", "docs/howto", "docs/sql-api.md")
CHOSEN = [
    page for page in pages() if os.environ.get("DOCS") == "all" or page.relative_to(ROOT).as_posix().startswith(FIRST)
]
SECRET = "a-secret-for-trials"  # docs/jobs/send_notification_email.md starts with it


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader in a checkout, with everything running."""
    buildos = Command(
        tmp_path / "home", JOB_MODULES=EXAMPLE, PRIVATE_BUILDOS_WEBHOOK_SECRET=SECRET, ALLOW_OPEN_BIND="false"
    )
    buildos.must("up", "--detach")
    try:
        exports = buildos.exports()
        here = tmp_path / "checkout"
        here.mkdir()
        yield Reader(
            checkout(here),
            {
                **exports,
                "BUILDOS_HOME": str(buildos.home),
                "JOB_MODULES": EXAMPLE,
                "PRIVATE_BUILDOS_WEBHOOK_SECRET": SECRET,
            },
        )
    finally:
        print(buildos.run("down").stderr)


@pytest.mark.timeout(300)
def test_every_block_runs(reader: Reader) -> None:
    outcomes: list[Outcome] = [outcome for page in CHOSEN for outcome in reader.read(page)]
    print("\n" + summary(CHOSEN, outcomes))
    failed = [outcome.error for outcome in outcomes if outcome.error]
    assert not failed, "\n\n".join(failed)
    assert (
        len(outcomes)
        == sum(block.is_run or block.language in CHECKED for page in CHOSEN for block in blocks_of(page))
        > 12
    )


def test_every_block_says_what_it_is() -> None:
    assert [problem for block in all_blocks() if (problem := block.problem())] == []


def test_the_check_sees_what_it_must() -> None:
    found = parse(
        "page.md",
        "    indented\n\n```\nwordless\n```\n\n<!-- not run: needs Docker -->\n```sh\ndocker ps\n```\n\n```ts\nlet x\n```\n\n```sql\nselect 1\n```\n",
    )
    assert [block.problem() is None for block in found] == [False, False, True, False, True]
    assert [block.is_run for block in found] == [False, False, False, False, True] and found[2].reason == "needs Docker"


def test_a_block_that_fails_is_told_with_its_place(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    for language, code in (
        ("sh", "false | cat"),
        ("sql", "select 1"),
        ("python", "1 / 0"),
        ("js", "throw new Error('no')"),
    ):
        block = Block("page.md", 7, language, code, None)
        assert reader._run(block, [block], reader._env).startswith("page.md:7: exit code")
