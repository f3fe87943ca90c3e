"""The direction of imports (DESIGN 3): the contracts of pyproject.toml, and what import-linter does not see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture import source

VENDORS = {"openai", "twilio", "smtplib", "pywebpush"}


def test_the_contracts_hold(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[done.stdout.find("Contracts") :] + done.stderr


def test_vendors_appear_in_the_adapters_alone() -> None:
    wrong = [
        f"{path}:{line} imports {module}" for path in source.python(*source.PRODUCT) for module, line in source.imported(path)
        if module.split(".")[0] in VENDORS and not source.under(path, "app/adapters")
    ]  # fmt: skip
    assert wrong == []


def test_the_product_does_not_import_its_tests() -> None:
    wrong = [
        f"{path}:{line} imports {module}" for path in source.python(*source.PRODUCT) for module, line in source.imported(path)
        if module.split(".")[0] in {"tests", "pytest", "hypothesis"}
    ]  # fmt: skip
    assert wrong == []


def test_alembic_the_library_is_not_hidden(root: Path) -> None:
    assert not (root / "alembic" / "__init__.py").exists()
