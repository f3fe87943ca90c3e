"""`buildos bench throughput` for real, as small as it can be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.servers import ROOT


def test_throughput_drains_a_queue_of_ours_and_says_what_it_cost(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "bench", "throughput", "--jobs", "200", "--rounds", "1", "--only", "ours", "--json", tmp_path / "t.json"],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((tmp_path / "t.json").read_text())
    ours = written["results"]["ours"]
    assert ours["rate"] > 0, written["notes"]
    assert set(ours["cpu_ms"]) == {"main", "children", "postgres", "redis", "total"}
    assert ours["wal_bytes"] > 0 < ours["statements"]
    assert set(written["ratios"]) == {"default_lane", "leases", "db_backend", "events", "peers"}
    assert (tmp_path / "t.svg").read_text().startswith("<svg")
    assert "jobs/s" in done.stdout
