"""The bar of `buildos brief` and the lines above it."""

from __future__ import annotations

import io

from rich.console import Console

from app.cli.progress import Progress


def test_the_bar_is_where_the_step_above_it_says() -> None:
    written = io.StringIO()
    with Progress(Console(file=written, force_terminal=True, width=100, color_system=None)) as progress:
        for percent in (5, 65):
            progress.show(percent, f"step {percent}")
            shown = written.getvalue().rsplit("\r", 1)[-1]
            assert f" {percent}% step {percent}" in shown
