"""The first thing a child process runs: tie its life to its parent's, shed root, become the program.

Run as a file by path with nothing but the standard library, so that it starts in milliseconds and needs no environment:

    python -I -S child.py --parent PID --orphan-signal N [--userns | --user UID:GID] -- PROGRAM ARGUMENT…

`--userns` enters a user namespace where root is an ordinary user (Linux; what `unshare -U --map-user` does);
`--user` gives root away for good. Exits with 126 when that is refused, 127 when PROGRAM cannot be run.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
INSIDE_ID = 1000  # any id but 0: who we are inside the namespace


def enter_user_namespace() -> None:
    """Become an ordinary user in the eyes of the program, and stay root in the eyes of the file system."""
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not available")
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{INSIDE_ID} {uid} 1"),
        ("gid_map", f"{INSIDE_ID} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(content)


def become_user(uid: int, gid: int) -> None:
    """Drop root for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def follow_parent(parent: int, number: int) -> None:
    """Have the kernel send `number` when the parent dies, even by `kill -9` (Linux; elsewhere nothing happens)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--orphan-signal", type=int, required=True)
    parser.add_argument("--userns", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("program", nargs="+")
    arguments = parser.parse_args()
    try:
        if arguments.userns:
            enter_user_namespace()
        if arguments.user:
            become_user(*map(int, arguments.user.split(":")))
    except OSError as error:
        print(f"cannot shed root: {error}", file=sys.stderr)
        sys.exit(126)
    # Last, as a change of user makes the kernel forget it.
    follow_parent(arguments.parent, arguments.orphan_signal)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.execvp(arguments.program[0], arguments.program)
    except OSError as error:
        print(f"cannot run {arguments.program[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main()
