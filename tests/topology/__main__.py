"""`python -m tests.topology`: docker-compose.yml without Docker. Exit code 1 when a promise was broken, 3 where no hosts can be made."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chaos.fleet import Pace
from tests.support.servers import ROOT
from tests.topology.hosts import into_namespaces, what_is_missing
from tests.topology.journey import table, travel

CANNOT = 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="make topology", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--off", type=float, default=12.0, help="seconds a host is cut off")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds to wait for service to come back")
    parser.add_argument("--small", action="store_true", help="few hosts, one of them cut off")
    parser.add_argument("--pooled", action="store_true", help="everything through PgBouncer, which has to be installed")
    parser.add_argument("--folder", type=Path, help="where to keep logs and data; a temporary folder otherwise")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        outcome = travel(
            arguments.folder, jobs=arguments.jobs, seed=arguments.seed, off=arguments.off, whole=not arguments.small,
            pace=Pace(), pooled=arguments.pooled, patience=arguments.patience,
        )  # fmt: skip
        print(table(outcome), flush=True)
        os._exit(0 if outcome.clean else 1)  # whatever still runs ends with these namespaces
    missing = what_is_missing()
    if missing is None and arguments.pooled and shutil.which("pgbouncer") is None:
        missing = "PgBouncer is not installed"
    if missing is not None:
        print(f"the topology was NOT tested: {missing}")
        sys.exit(CANNOT)
    with tempfile.TemporaryDirectory(prefix="topology-", ignore_cleanup_errors=True) as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        given = sys.argv[1:]
        words = [*into_namespaces(), sys.executable, "-m", "tests.topology", *given, "--inside", "--folder", str(folder), "--seed", str(arguments.seed)]
        sys.exit(subprocess.run(words, cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
