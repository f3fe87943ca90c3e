"""Small programs in the place of the real parts, under the real supervisor: `python -m tests.support.standins HOME`.

`worker` has a child and finishes its work when it is told to stop, `beat` is stubborn, `api` simply runs.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from app.embedded import processes
from app.embedded.home import Home, State
from app.embedded.output import Output
from app.embedded.part import Spec
from app.embedded.processes import ProcessId
from app.embedded.supervisor import Supervisor

IDLE = "import time; print('here', flush=True); time.sleep(600)"
WORKER = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
def finish(*_):
    child.kill()
    child.wait()
    open(os.path.join({folder!r}, 'drained'), 'w').close()
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
with open(os.path.join({folder!r}, 'child.new'), 'w') as file:
    file.write(str(child.pid))
os.replace(os.path.join({folder!r}, 'child.new'), os.path.join({folder!r}, 'child'))
while True:
    time.sleep(600)
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('stubborn', flush=True); time.sleep(600)"
)


def spec(name: str, code: str, **more) -> Spec:
    """A part that runs `code`."""

    def launch(output: int):
        return processes.launch([sys.executable, "-c", code], output=output)

    return Spec(name, launch, more.pop("ready", lambda _pid, _since: True), **more)


def supervisor(home: Home, *specs: Spec) -> Supervisor:
    """A supervisor of these parts, writing nothing to the terminal."""
    state = State(supervisor=ProcessId.of(os.getpid()), run="standins")
    made = Supervisor(home, state, Output(home, echo=False))
    for each in specs:
        made.add(each)
    return made


def worker(folder: Path) -> Spec:
    """A part with a child, ready once that runs."""
    return spec("worker", WORKER.format(folder=str(folder)), ready=lambda _pid, _since: (folder / "child").exists())


def main() -> None:
    home = Home(sys.argv[1])
    home.prepare()
    stubborn = home.log("beat")
    beat = spec(
        "beat",
        STUBBORN,
        ready=lambda _pid, _since: stubborn.exists() and b"stubborn" in stubborn.read_bytes(),
        stop_signals=((signal.SIGTERM, 600.0),),
    )
    with home.locked():
        running = supervisor(home, worker(home.folder), spec("api", IDLE), beat)
        with running.signals():
            running.start(["worker", "api", "beat"])
            running.state.ready = True
            home.write(running.state)
            running.run()
            running.stop()


if __name__ == "__main__":
    main()
