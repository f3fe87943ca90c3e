"""The long run: `python -m tests.chaos --jobs 10000 --faults 200 --seed 1`. Exit code 1 when a promise was broken."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.chaos.buildos import Buildos
from tests.chaos.campaign import in_sequence, run, say, table
from tests.chaos.faults import FAULTS
from tests.chaos.fleet import Pace
from tests.chaos.plain_celery import LateCelery, PlainCelery

ENGINES = {"buildos": Buildos, "celery": PlainCelery, "celery-late": LateCelery}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--long", type=float, default=60.0, help="seconds that the longest faults last")
    parser.add_argument("--patience", type=float, default=240.0, help="seconds to wait for service to come back")
    parser.add_argument("--only", help="names of fault classes, separated by commas")
    parser.add_argument("--without", default="", help="names of fault classes to leave out, separated by commas")
    parser.add_argument("--engine", choices=sorted(ENGINES), default="buildos", help="what is put under fire")
    parser.add_argument("--folder", type=Path, help="where to keep logs and data; a temporary folder otherwise")
    arguments = parser.parse_args()
    say(f"seed {arguments.seed}")
    chance = random.Random(arguments.seed)
    left_out = set(arguments.without.split(","))
    faults = in_sequence(arguments.faults, chance, [fault for fault in FAULTS if fault.__name__ not in left_out])
    if arguments.only:
        named = {fault.__name__: fault for fault in FAULTS}
        faults = [named[name] for name in arguments.only.split(",")] * (
            arguments.faults if arguments.faults < 50 else 1
        )
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as temporary:
        outcome = run(
            arguments.folder or Path(temporary), jobs=arguments.jobs, faults=faults, seed=arguments.seed,
            long=arguments.long, pace=Pace(), patience=arguments.patience,
            system=ENGINES[arguments.engine],
        )  # fmt: skip
    print(table(outcome))
    sys.exit(0 if outcome.clean else 1)


if __name__ == "__main__":
    main()
