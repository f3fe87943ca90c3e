"""Steps and percentage on the terminal: a bar that moves, or plain lines where there is no terminal."""

from __future__ import annotations

from typing import Self

from rich import progress as rich
from rich.console import Console


class Progress:
    """Writes to standard error, so that a result can be piped away."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._bar: rich.Progress | None = None
        self._last = ""
        if self._console.is_terminal:
            columns = (
                rich.SpinnerColumn(),
                rich.BarColumn(bar_width=30),
                rich.TaskProgressColumn(),
                rich.TextColumn("{task.description}"),
            )
            self._bar = rich.Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("queued", total=100)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, percent: float, message: str) -> None:
        """The step at hand."""
        line = f"{percent:3.0f} %  {message}"
        if line == self._last:
            return
        if self._bar:
            self._bar.update(self._task, completed=percent, description=rich_escape(message), refresh=True)
            if message != self._last[7:]:
                self._console.print(line, style="dim", markup=False)
        else:
            self._console.print(line, markup=False, soft_wrap=True)
        self._last = line

    def note(self, message: str) -> None:
        """Something worth knowing besides."""
        self._console.print(message, markup=False, style="yellow", soft_wrap=True)


def rich_escape(text: str) -> str:
    """`text` as rich prints it literally."""
    return text.replace("[", "\\[")
