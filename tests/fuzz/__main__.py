"""The long run: `python -m tests.fuzz --scale 1`, at least 50,000 requests. Exit code 1 when one of them met a fault."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from app.db.engine import make_engine
from tests.fuzz import callers, described, files, sockets
from tests.fuzz.world import World, own_world
from tests.support.servers import plain_settings


def campaign(world: World, database_url: str, *, scale: float, start: int, only: str = "", each: int = 1) -> list[str]:
    """Every kind of attack, on every `each`-th operation; `scale` 1 are some 60,000 requests. Returns what went wrong."""
    engine = make_engine(plain_settings(database_url=database_url), application_name="fuzz")
    kinds: list[tuple[str, Callable[..., list[str]], int]] = [
        ("operations", partial(described.fuzz_operations, each=each), 150),
        ("bodies", partial(described.fuzz_bodies, each=max(1, each // 8)), 200),
        ("sequences", described.fuzz_sequences, 500),
        ("tokens", callers.fuzz_tokens, 5000),
        ("webhooks", callers.fuzz_webhooks, 2000),
        ("wire", callers.fuzz_wire, 1500),
        ("calendars", files.fuzz_calendars, 2500),
        ("lists", lambda world, **how: files.fuzz_lists(world, engine, **how), 2500),
        ("sockets", sockets.fuzz_sockets, 1000),
    ]
    wrong: list[str] = []
    for name, fuzz, examples in kinds:
        if only and name not in only.split(","):
            continue
        began, before = time.monotonic(), world.asked
        found = fuzz(world, examples=max(1, round(examples * scale)), start=start)
        print(f"{name}: {world.asked - before:,} in {time.monotonic() - began:.0f} s, {len(found)} faults", file=sys.stderr, flush=True)
        wrong += found
    engine.dispose()
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1_000_000))
    parser.add_argument("--only", default="", help="operations, bodies, sequences, tokens, webhooks, wire, calendars, lists, sockets; separated by commas")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder, own_world(Path(folder)) as world:
        began = time.monotonic()
        wrong = campaign(world, world.database_url, scale=arguments.scale, start=arguments.seed, only=arguments.only)
        print(world.table())
        print(f"{time.monotonic() - began:.0f} s, seed {arguments.seed}, {len(wrong)} faults")
        for one in wrong:
            print(f"\n{one[:6000]}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
