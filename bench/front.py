"""The README's picture and table of the last throughput and latency runs: `python -m bench.front`.

Reads docs/bench/throughput.json and latency.json, as `buildos bench … --json` wrote them; writes docs/bench/speed.svg and the lines of
the README between the two marks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import picture

CHECKOUT = Path(__file__).resolve().parent.parent
NUMBERS = CHECKOUT / "docs" / "bench"
MARKS = ("<!-- speed: made by python -m bench.front -->", "<!-- end of speed -->")


def speed(throughput: Mapping[str, Any], latency: Mapping[str, Any]) -> str:
    """Both runs as one picture: jobs a second above, milliseconds until a job starts below."""
    rates = {name: one["rate"] for name, one in throughput["results"].items() if one["rate"]}
    above = [
        picture.Bar(name, rate, f"{rate:,.0f}", name.startswith("ours"))
        for name, rate in sorted(rates.items(), key=lambda pair: -pair[1])
    ]
    below = [
        picture.Bar(f"{name}, {load}", one["start"]["p50"], _milliseconds(one["start"]), name.startswith("ours"))
        for name, loads in latency["results"].items()
        for load, one in loads.items()
    ]
    jobs, rounds = throughput["settings"]["jobs"], throughput["settings"]["rounds"]
    return picture.stacked(
        [
            picture.bars("No-op jobs a second", f"{jobs:,} jobs, 2 processes, median of {rounds} interleaved rounds", above),
            picture.bars("Milliseconds from adding a job to its start", "bar: p50; text: p50 / p95 / p99", below),
        ]
    )


def lines(throughput: Mapping[str, Any], latency: Mapping[str, Any]) -> str:
    """What the README says of them."""
    ratios, results = throughput["ratios"], throughput["results"]
    rows = [("stock Celery on Redis, no results", "celery", 1.0)]
    rows += [("BuildOS, one job a message", "ours", ratios["default_lane"]), ("BuildOS, leases", "ours-leases", ratios["leases"])]
    rows += [(name, name, ratio) for name, ratio in ratios["peers"].items()]
    table = ["| | jobs/s | ÷ Celery |", "|---|--:|--:|"]
    table += [f"| {label} | {results[name]['rate']:,.0f} | {ratio:.2f} |" for label, name, ratio in rows if ratio]
    facts = throughput["machine"]
    where = f"{facts['cores']} cores, Python {facts['python']}, {throughput['at'][:10]}, commit {facts['commit']}"
    idle = latency["results"].get("ours-sql", {}).get("idle", {})
    first = f"A job starts {_milliseconds(idle['start'])} ms (p50 / p95 / p99) after it was added on an idle system" if idle else ""
    told = f"; the browser knows of its end after {_milliseconds(idle['browser'])} ms" if "browser" in idle else ""
    return "\n".join(
        [
            "![jobs a second, and milliseconds until a job starts](docs/bench/speed.svg)",
            "",
            f"History, events, counters and row-level security on in all that is ours; {where}. {first}{told}.",
            "",
            *table,
            "",
            "Again: `buildos bench throughput --json docs/bench/throughput.json`, `buildos bench latency --json docs/bench/latency.json`,",
            "`python -m bench.front`. Method: [bench/README.md](bench/README.md).",
        ]
    )


def _milliseconds(stage: Mapping[str, float]) -> str:
    return " / ".join(f"{stage[part]:.1f}" for part in ("p50", "p95", "p99"))


def replaced(text: str, inner: Sequence[str] | str) -> str:
    """`text` with what stands between the marks replaced. Raises ValueError where the marks are missing."""
    begin, end = MARKS
    if begin not in text or end not in text:
        raise ValueError(f"README.md has no {begin}")
    return re.sub(f"{re.escape(begin)}.*{re.escape(end)}", lambda _: f"{begin}\n{inner}\n{end}", text, flags=re.DOTALL)


def main() -> None:
    """Write both."""
    throughput, latency = (json.loads((NUMBERS / f"{name}.json").read_text()) for name in ("throughput", "latency"))
    (NUMBERS / "speed.svg").write_text(speed(throughput, latency))
    readme = CHECKOUT / "README.md"
    readme.write_text(replaced(readme.read_text(), lines(throughput, latency)))


if __name__ == "__main__":
    main()
