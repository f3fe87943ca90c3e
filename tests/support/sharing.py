"""How the tests are shared out among the processes of a run (`-n 4 --dist loadfile`), and in which order they begin.

A file stays in one process, so what it starts for all its tests is started once. Files that start whole systems begin early, the
longest first, so that nobody waits for one of them in the end, and each is followed by some that start nothing, so that not all of
them are busy at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/browser/", "tests/integration/realtime/")  # these share one system between their files
HEAVY = (  # longest first
    "tests/browser/", "tests/acceptance/test_up.py", "tests/acceptance/test_engine_faults.py", "tests/acceptance/test_leases.py",
    "tests/acceptance/test_brief_command.py", "tests/acceptance/test_engine", "tests/chaos/test_chaos.py",
    "tests/docs/test_blocks.py", "tests/acceptance/", "tests/fuzz/", "tests/docs/test_site.py", "tests/migration/",
)  # fmt: skip
LIGHT_BETWEEN = 3  # files


class ByFile(LoadFileScheduling):
    """One file after the other, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: object = None):
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """What of the tests stays together with this one: its file, or its folder."""
    return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.split("::", 1)[0])


def in_order(nodeids: Iterable[str]) -> list[str]:
    """The units of these tests in the order in which they are to begin."""
    units = list(dict.fromkeys(unit_of(nodeid) for nodeid in nodeids))
    light = iter([unit for unit in units if not unit.startswith(HEAVY)])
    ordered = []
    for heavy in sorted((unit for unit in units if unit.startswith(HEAVY)), key=_place):
        ordered += [heavy, *itertools.islice(light, LIGHT_BETWEEN)]
    return ordered + list(light)


def _place(unit: str) -> int:
    return next(number for number, start in enumerate(HEAVY) if unit.startswith(start))
