"""The short run of the fault harness: a fixed seed, the faults that matter most, every promise of DESIGN 2 checked in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import faults as f
from tests.chaos.campaign import run, table
from tests.chaos.fleet import Pace

PACE = Pace(lease=4000, heartbeat=500, sweep=500, workers=2, beats=2, apis=2)
FAULTS = (
    f.WorkerGroupKilled, f.RedisFlushed, f.PostgresCrashed, f.DispatcherKilledMarked, f.WorkerPartitioned, f.RedisKilled,
    f.ApiCommitLost, f.BackendsTerminated, f.WorkerTerminated, f.DiskFull,
    f.SocketsCut, f.ApiKilled,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_happens_twice(tmp_path: Path) -> None:
    outcome = run(tmp_path / "run", jobs=160, faults=FAULTS, seed=7, long=3, pace=PACE, patience=150)
    assert outcome.clean, "\n" + table(outcome)
    assert outcome.verdict.counts["jobs"] >= 100, "\n" + table(outcome)
    assert all(len(times) == 1 for times in outcome.recoveries.values())
