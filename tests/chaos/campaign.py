"""A run: a steady stream, one fault after the other from a seed, then silence and the judgement."""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.buildos import Buildos
from tests.chaos.fault import Fault, NotHere
from tests.chaos.faults import FAULTS
from tests.chaos.fleet import Pace, servers, supervised
from tests.chaos.verdict import PROMISES, Verdict


@dataclass
class Outcome:
    """What a campaign found. `recoveries`: by fault, seconds from its end until a new job was done; None: never."""

    title: str
    seed: int
    seconds: float = 0.0
    quiet: bool = False
    verdict: Verdict = field(default_factory=Verdict)
    recoveries: dict[str, list[float | None]] = field(default_factory=lambda: defaultdict(list))

    @property
    def clean(self) -> bool:
        """Whether every promise was kept and service came back after every fault."""
        return self.quiet and self.verdict.clean and all(None not in times for times in self.recoveries.values())


def in_sequence(faults: int, chance: random.Random, kinds: Sequence[type[Fault]] = FAULTS) -> list[type[Fault]]:
    """So many faults of these kinds: each kind once before any comes again, in an order that the seed decides."""
    order: list[type[Fault]] = []
    while len(order) < faults:
        order += chance.sample(kinds, len(kinds))
    return order[:faults]


def run(
    folder: Path, *, jobs: int, faults: Sequence[type[Fault]], seed: int, long: float, pace: Pace, patience: float,
    system: type = Buildos,
) -> Outcome:  # fmt: skip
    """Run a campaign in an empty folder, `jobs` over `faults` one after the other. Nothing of it outlives this call."""
    outcome = Outcome(system.title, seed)
    began = time.monotonic()
    with servers(folder, pace) as fleet:
        tested = system(fleet)
        tested.prepare()
        with supervised(fleet):
            stream = tested.stream(seed)
            stream.start()
            if tested.probe("first", patience) is None:
                raise RuntimeError(f"the system under test did not begin; see {folder}")
            stream.allow(jobs // 20)  # so that the first fault hits a system at work
            for number, kind in enumerate(faults):
                chance = random.Random(f"{seed}-{number}")
                fault = kind(fleet, chance, _length(kind, number, long, chance))
                stream.allow(jobs * (number + 2) // (len(faults) + 1))
                time.sleep(chance.uniform(0, 0.5))
                try:
                    fault.inject()
                except NotHere:
                    continue
                time.sleep(fault.hold)
                fault.heal()
                back = tested.probe(f"probe-{number}", patience)
                outcome.recoveries[fault.name].append(back)
                say(f"{number + 1:4} {fault.name}: {'NOT BACK' if back is None else f'{back:.2f} s'}")
            stream.allow(jobs)
            stream.finish()
            for member in fleet.members:
                member.postgres.calm()
                member.redis.calm()
            outcome.quiet = tested.quiet(patience)
        outcome.verdict = tested.verdict(stream)
    outcome.seconds = time.monotonic() - began
    return outcome


def _length(kind: type[Fault], number: int, long: float, chance: random.Random) -> float:
    """The long faults last their full length the first time, later mostly a part of it."""
    return long if number < len(FAULTS) else chance.choice([long / 12, long / 4, long])


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


def table(outcome: Outcome) -> str:
    """The outcome as text: promises, counts, then each fault with its times."""
    faults = sum(len(times) for times in outcome.recoveries.values())
    lines = [f"{outcome.title}, seed {outcome.seed}: {faults} faults in {outcome.seconds:.0f} s", ""]
    lines += [] if outcome.quiet else ["IT DID NOT COME TO REST"]
    for promise in PROMISES:
        broken = outcome.verdict.broken[promise]
        lines.append(f"{promise:42} {len(broken):6}")
        lines += [f"    {words}" for words in broken[:8]]
    lines += ["", *(f"{name:42} {count:6}" for name, count in sorted(outcome.verdict.counts.items()))]
    lines += ["", f"{'fault':80} {'times':>5} {'p50 s':>7} {'max s':>7}"]
    for name, times in sorted(outcome.recoveries.items()):
        known = [seconds for seconds in times if seconds is not None] or [float("nan")]
        never = f"  never: {times.count(None)}" if None in times else ""
        lines.append(f"{name:80} {len(times):5} {statistics.median(known):7.2f} {max(known):7.2f}{never}")
    back = [seconds for times in outcome.recoveries.values() for seconds in times if seconds is not None]
    if back:
        lines.append(f"{'all':80} {faults:5} {statistics.median(back):7.2f} {max(back):7.2f}")
    return "\n".join(lines)
