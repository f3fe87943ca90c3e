"""docker-compose.yml as Docker Compose reads it: anchors merged, `${NAME:-default}` filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from tests.support.servers import ROOT

FILE = ROOT / "docker-compose.yml"
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\})")
OURS = "buildos:"  # how the image of the program begins


@dataclass(frozen=True)
class Service:
    """One service of the file."""

    name: str
    given: Mapping[str, Any]

    @property
    def is_ours(self) -> bool:
        """Whether it runs the program, and not somebody else's server."""
        return self.given["image"].startswith(OURS)

    @property
    def command(self) -> list[str]:
        """The command as the container gets it; empty where the image has its own."""
        return [str(word) for word in self.given.get("command", ())]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that the file sets, without those of `env_file`."""
        return {name: str(value) for name, value in self.given.get("environment", {}).items()}

    @property
    def secrets(self) -> list[str]:
        """Names of the secrets it finds under /run/secrets."""
        return list(self.given.get("secrets", ()))

    @property
    def replicas(self) -> int:
        """How many of it are started."""
        return int(self.given.get("deploy", {}).get("replicas", 1))

    @property
    def profiles(self) -> list[str]:
        """Empty for what always runs."""
        return list(self.given.get("profiles", ()))

    @property
    def tmpfs(self) -> list[str]:
        """Folders that can be written though the file system cannot."""
        return [one.partition(":")[0] for one in self.given.get("tmpfs", ())]

    @property
    def check(self) -> list[str]:
        """The command of the health check."""
        kind, *words = self.given["healthcheck"]["test"]
        return ["sh", "-c", *words] if kind == "CMD-SHELL" else words

    @property
    def grace(self) -> float:
        """Seconds it has to stop."""
        return seconds(self.given.get("stop_grace_period", "10s"))

    @property
    def stop_signal(self) -> str:
        return self.given.get("stop_signal", "SIGTERM")


@dataclass(frozen=True)
class Compose:
    """The file with these variables in `.env`."""

    variables: Mapping[str, str]

    @cached_property
    def whole(self) -> dict[str, Any]:
        """Everything in it."""
        return _filled(_strictly(FILE.read_text(encoding="utf-8")), self.variables)

    @cached_property
    def services(self) -> dict[str, Service]:
        """By name."""
        return {name: Service(name, given) for name, given in self.whole["services"].items()}


def _strictly(given: str) -> dict[str, Any]:
    """A key that is given twice is refused, as Docker Compose does; the loader alone would take the last."""
    loader = yaml.SafeLoader(given)
    whole = loader.get_single_node()
    _refuse_twice(whole)
    return loader.construct_document(whole)


def _refuse_twice(node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: a key is given twice"
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        for inner in child if isinstance(child, tuple) else (child,):
            _refuse_twice(inner)


def seconds(duration: str) -> float:
    """`1m30s` in seconds."""
    return sum(float(number) * {"s": 1, "m": 60}[unit] for number, unit in re.findall(r"([\d.]+)([sm])", duration))


def used_variables() -> set[str]:
    """Names that `.env` may set."""
    return {found["name"] for found in VARIABLE.finditer(FILE.read_text(encoding="utf-8")) if found["name"]}


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, variables) for inner in value]
    if not isinstance(value, str):
        return value
    return VARIABLE.sub(lambda m: "$" if m["escaped"] else variables.get(m["name"]) or m["default"] or "", value)
