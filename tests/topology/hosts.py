"""A host: namespaces for network, mounts and name, a wire to the bridge, and processes that see nothing else."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NETWORK = "10.77.0"  # of the bridge, which exists inside the run's own namespace alone
TOOLS = ("unshare", "nsenter", "ip", "setpriv", "mount", "chroot")
UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def what_is_missing() -> str | None:
    """Why no such hosts can be made on this machine; None where they can."""
    if sys.platform != "linux":
        return "namespaces are Linux's"
    if lacking := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"not installed: {', '.join(lacking)}"
    done = subprocess.run(
        [*into_namespaces(), "sh", "-ec", "mount --make-rprivate /; ip link add br0 type bridge; ip link add wire0 type veth peer name wire1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return None if done.returncode == 0 else f"no namespaces: {done.stderr.strip() or 'refused'}"


def into_namespaces() -> list[str]:
    """The command that runs another one where hosts can be made."""
    return UNSHARE if os.geteuid() == 0 else [*UNSHARE[:1], "--user", "--map-root-user", *UNSHARE[1:]]


def run(*words: str | Path, stdin: str | None = None) -> str:
    """Run a tool. Raises RuntimeError with its words when it fails."""
    done = subprocess.run([str(word) for word in words], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(str(word) for word in words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def make_bridge() -> None:
    """The switch all hosts are on; whoever calls this is on it too, as .1."""
    run("mount", "--make-rprivate", "/")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "addr", "add", f"{NETWORK}.1/24", "dev", "br0")
    run("ip", "link", "set", "br0", "up")


@dataclass
class Host:
    """One host. `mounts` is a shell script that lays out its file system under `root`, run in its own mount namespace."""

    name: str
    number: int
    root: Path
    mounts: str
    connected: bool = True
    _holder: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Its address on the bridge."""
        return f"{NETWORK}.{self.number}"

    def start(self) -> None:
        """Make the namespaces, lay out the file system, plug it in. Raises RuntimeError."""
        ports = "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start"  # as Docker sets it
        script = f"set -e; hostname {shlex.quote(self.name)}; {ports}; {self.mounts}\necho ready; exec sleep infinity"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "sh", "-c", script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        assert self._holder.stdout is not None
        if (said := self._holder.stdout.readline()) != "ready\n":
            raise RuntimeError(f"{self.name}: {said}{self._holder.stdout.read()}")
        run("ip", "link", "add", self._wire, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        run("ip", "link", "set", self._wire, "master", "br0", "up")
        enter = ("nsenter", "-t", str(self._holder.pid), "-n", "ip")
        run(*enter, "addr", "add", f"{self.address}/24", "dev", "eth0")
        run(*enter, "link", "set", "eth0", "up")
        run(*enter, "link", "set", "lo", "up")

    def cut(self) -> None:
        """Pull the plug: nothing reaches it, nothing leaves it, nobody is told."""
        run("ip", "link", "set", self._wire, "down")
        self.connected = False

    def reconnect(self) -> None:
        """Plug it in again."""
        run("ip", "link", "set", self._wire, "up")
        self.connected = True

    def command(self, words: Sequence[str], env: Mapping[str, str], *, uid: int | None, folder: str) -> list[str]:
        """How `words` are run on this host, as `uid` without any rights where the machine lets us choose (root)."""
        assert self._holder is not None
        shed: list[str] = []
        if uid is not None and os.geteuid() == 0 and not _mapped():
            shed = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
        elif uid is not None:  # root of a user namespace, which some programs refuse to run as
            shed = ["unshare", "--user", f"--map-user={uid}", f"--map-group={uid}"]
        inside = ["env", "-i", *(f"{name}={value}" for name, value in env.items()), "sh", "-c", 'cd "$0" && exec "$@"', folder]
        return ["nsenter", "-t", str(self._holder.pid), "-n", "-m", "-u", "chroot", str(self.root), *shed, *inside, *words]

    @property
    def _wire(self) -> str:
        return f"wire{self.number}"


def _mapped() -> bool:
    """Whether root here is somebody else outside."""
    return Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]
