"""The files of the project and their syntax trees."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("app", "tasks", "beat_schedule.py")
LEFT_OUT = {".git", ".venv", "venv", "node_modules", "__pycache__", "build", "dist"}


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file that belongs to the project, relative to its root: what git knows or would take; without git, all there is."""
    asked = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.returncode == 0 and asked.stdout:
        found = (Path(name) for name in asked.stdout.split("\0") if name)
    else:
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if not LEFT_OUT & set(path.relative_to(ROOT).parts))
    return tuple(sorted(path for path in found if (ROOT / path).is_file()))


def python(*places: str) -> Iterator[Path]:
    """The Python files under these places, or all."""
    for path in files():
        if path.suffix == ".py" and (not places or any(path == Path(place) or Path(place) in path.parents for place in places)):
            yield path


@functools.cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def under(path: Path, *places: str) -> bool:
    """Whether a file is one of these places or in it."""
    return any(path == Path(place) or Path(place) in path.parents for place in places)


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """(module, line) of every import in a file, also inside functions."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def literals(path: Path) -> Iterator[tuple[str, int]]:
    """(text, line) of every string in a file that is no docstring; the fixed parts of an f-string joined by a space."""
    docstrings = {
        id(node.body[0].value) for node in ast.walk(tree(path))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body
        and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value, node.lineno
        elif isinstance(node, ast.JoinedStr):
            yield " ".join(part.value for part in node.values if isinstance(part, ast.Constant)), node.lineno
