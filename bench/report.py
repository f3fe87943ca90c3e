"""What a benchmark hands back, and the three forms it takes: a table, a picture, a JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import machine


@dataclass
class Report:
    """`data` goes into the JSON beside the machine, the versions and the settings; `table` is shown; `picture` is SVG."""

    name: str
    title: str
    settings: dict[str, Any]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    data: dict[str, Any]
    picture: str
    packages: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)
    machine: dict[str, object] = field(default_factory=machine.describe)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def as_json(self) -> dict[str, Any]:
        """The whole as plain JSON."""
        return {
            "name": self.name,
            "at": self.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "machine": self.machine,
            "versions": machine.versions(self.packages),
            "settings": self.settings,
            **self.data,
            "notes": self.notes,
        }

    def show(self, console: Console) -> None:
        """Print the table, the machine and the notes."""
        console.print(self.title, style="bold", highlight=False)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, name in enumerate(self.header):
            table.add_column(name, justify="left" if number == 0 else "right", no_wrap=number == 0)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        console.print(f"[dim]{self.place()}[/dim]", highlight=False)
        for note in self.notes:
            console.print(f"[dim]{note}[/dim]", highlight=False)

    def place(self) -> str:
        """The machine and the versions in one line."""
        facts = self.machine
        named = ", ".join(f"{name} {version}" for name, version in machine.versions(self.packages).items())
        return (
            f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gb']} GB, {facts['system']}, Python {facts['python']}, "
            f"{named}; commit {facts['commit']}, load {facts['load_1m']} at the start"
        )

    def write(self, json_file: Path | None, picture: Path) -> None:
        """Write the files; folders are made where they are missing."""
        if json_file is not None:
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(json.dumps(self.as_json(), indent=2) + "\n")
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(self.picture)
