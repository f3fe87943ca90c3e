"""The settings as a table for people: `python -m app.settings_table > docs/settings.md`; a test holds the page to the code."""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo

from app.settings import PROFILES, Settings
from app.settings_files import spellings

HEAD = """# Settings

Environment variables; `.env` in the working folder fills what the environment does not give. A wrong value stops the program at its
start and names the variable. `APP_ENV` alone decides the defaults marked *by profile*; the environment always wins.
Each may come from a file instead, as secrets do under Docker: `SERVICE_KEY_FILE=/run/secrets/service_key`.

Made from `app/settings.py` by `python -m app.settings_table`.

| variable | default | meaning |
|---|---|---|
"""


def table() -> str:
    """The page, in Markdown."""
    fields = sorted(Settings.model_fields.items(), key=lambda each: each[0] not in Settings.__annotations__)  # parts come last
    return HEAD + "".join(f"| {_names(name, field)} | {_default(name, field)} | {field.description} |\n" for name, field in fields)


def _names(name: str, field: FieldInfo) -> str:
    return " or ".join(f"`{spelling}`" for spelling in spellings(name, field))


def _default(name: str, field: FieldInfo) -> str:
    by_profile = {profile: values[name] for profile, values in PROFILES.items() if name in values}
    if by_profile:
        return "*by profile*: " + ", ".join(f"{profile} {_shown(value)}" for profile, value in by_profile.items())
    return _shown(field.default)


def _shown(value: Any) -> str:
    if value is None or value == ():
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(f"`{part}`" for part in value) if isinstance(value, tuple) else f"`{value}`"


if __name__ == "__main__":
    print(table(), end="")
