"""Commands around `buildos up`: bring everything up, look at it, turn parts on and off, bring it down."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from typing import Annotated

import typer

from app.embedded import processes
from app.embedded.home import CHECKOUT, Home, State
from app.embedded.processes import StartError
from app.settings import load_settings

PARTS = ("api", "worker", "beat")
DOWN_SECONDS = 240.0  # more than the parts' own patience together
PartName = Annotated[str, typer.Argument(help=f"One of {', '.join(PARTS)}.", metavar="PART")]


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once everything is ready.")] = False,
    only: Annotated[str | None, typer.Option(help="Parts to start, as in api,beat.", metavar="PARTS")] = None,
    without: Annotated[str | None, typer.Option(help="Parts to leave out, as in worker.", metavar="PARTS")] = None,
    sample: Annotated[
        bool | None,
        typer.Option("--sample/--no-sample", help="Put in the sample user. By default into an embedded database."),
    ] = None,
) -> None:
    """Run everything on this machine: database, Redis, API, worker, beat."""
    services = _services(only, without)
    if detach:
        _detached(services, sample)
        return
    from app.cli.summary import summary
    from app.embedded.up import Wish, up

    echo = _HIDDEN not in os.environ
    up(_home(), Wish(services, sample, echo), lambda state: print(summary(state), flush=True) if echo else None)


def down() -> None:
    """Stop everything, letting running jobs finish."""
    home = _home()
    if not home.running():
        _clear_away(home)
        print("nothing is running")
        return
    who = home.read().supervisor
    if who is None or not who.alive():
        raise StartError("it is just starting; try again in a moment")
    os.kill(who.pid, signal.SIGTERM)
    if not processes.wait_until(lambda: not home.running(), DOWN_SECONDS, every=0.05):
        raise StartError(f"process {who.pid} did not stop within {DOWN_SECONDS:.0f} s; see {home.log('buildos')}")
    print("stopped")


def status() -> None:
    """Show every part. Exit code 1 unless all that is wanted is ready."""
    from app.cli.summary import table

    home = _home()
    if not home.running():
        print(f"not running (data folder {home.folder})")
        raise typer.Exit(1)
    state = home.read()
    print(table(state, time.time()))
    if not state.ready or any(part.state not in ("ready", "off") for part in state.parts.values()):
        raise typer.Exit(1)


def start(part: PartName) -> None:
    """Turn a part on in the running system, and wait until it is ready."""
    _turn(part, on=True, seconds=90.0)


def stop(part: PartName) -> None:
    """Turn a part off in the running system, and wait until it has stopped; it stays off until `start`."""
    _turn(part, on=False, seconds=DOWN_SECONDS)


def env() -> None:
    """Print addresses and process numbers as shell exports: eval "$(buildos env)"."""
    state = _running(_home())
    exports = {
        "BUILDOS_HOME": state.addresses.get("home"),
        "BUILDOS_API_URL": state.addresses.get("api"),
        "DATABASE_URL": state.addresses.get("database"),
        "REDIS_URL": state.addresses.get("redis"),
        "BUILDOS_SAMPLE_EMAIL": state.addresses.get("sample"),
        "BUILDOS_SAMPLE_ID": state.addresses.get("sample_id"),
        "BUILDOS_PID": str(state.supervisor.pid) if state.supervisor else None,
    }
    for name in ("api", "worker", "beat", "postgres", "redis"):
        process = state.parts[name].process if name in state.parts else None
        exports[f"BUILDOS_{name.upper()}_PID"] = str(process.pid) if process else None
    for name, value in exports.items():
        # One that is gone must not stay behind in the shell from an earlier eval.
        print(f"export {name}={shlex.quote(value)}" if value is not None else f"unset {name}")


_HIDDEN = "BUILDOS_DETACHED"


def _detached(services: list[str], sample: bool | None) -> None:
    from app.cli.summary import summary

    home = _home()
    home.prepare()
    said = home.fresh_log("up")
    command = [sys.executable, "-m", "app.cli", "up", "--only", ",".join(services)]
    command += [] if sample is None else ["--sample" if sample else "--no-sample"]
    with said.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=CHECKOUT,
            env={**os.environ, _HIDDEN: "1", "BUILDOS_HOME": str(home.folder)},
            start_new_session=True,
        )

    def ready() -> bool:
        state = home.read()
        return state.ready and state.supervisor is not None and state.supervisor.pid == process.pid

    try:
        processes.wait_until(lambda: process.poll() is not None or ready(), float("inf"), every=0.05)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    if process.poll() is not None:
        lines = said.read_text(errors="replace").strip().splitlines() or ["it ended without a word"]
        raise StartError(lines[-1].removeprefix("buildos: "))
    print(summary(home.read()))


def _turn(part: str, *, on: bool, seconds: float) -> None:
    if part not in PARTS:
        raise StartError(f"there is no part {part!r}; the parts are {', '.join(PARTS)}")
    home = _home()
    _running(home)
    home.turn(part, on=on)
    wanted = "ready" if on else "off"

    def there() -> bool:
        return home.read().parts[part].state == wanted

    if not processes.wait_until(lambda: there() or not home.running(), seconds, every=0.1) or not home.running():
        raise StartError(f"the {part} is not {wanted} yet; see {home.log(part)}")
    print(f"{part} is {wanted}")


def _running(home: Home) -> State:
    """The state of the running system. Raises StartError where there is none."""
    if not home.running():
        raise StartError(f"not running (data folder {home.folder}); `buildos up` starts it")
    state = home.read()
    if not state.ready:
        raise StartError("it is still starting")
    return state


def _clear_away(home: Home) -> None:
    """What a killed supervisor may have left behind."""
    if home.folder.is_dir() and (state := home.read()).parts:
        from app.embedded.up import end_leftovers

        with home.locked():
            end_leftovers(state)
            state.parts, state.ready = {}, False
            home.write(state)


def _services(only: str | None, without: str | None) -> list[str]:
    if only and without:
        raise StartError("--only and --without exclude each other")
    named = [name.strip() for name in (only or without or "").split(",") if name.strip()]
    if unknown := [name for name in named if name not in PARTS]:
        raise StartError(f"there is no part {unknown[0]!r}; the parts are {', '.join(PARTS)}")
    return [name for name in PARTS if (name in named if only else name not in named)]


def _home() -> Home:
    return Home(load_settings(_env_file=CHECKOUT / ".env").buildos_home)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, down, status, start, stop, env):
        app.command()(command)
