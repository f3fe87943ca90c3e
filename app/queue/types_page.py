"""The types of job as a page for people, made from the catalog: `python -m app.queue.types_page`; a test holds the page to the code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from app.queue.catalog import JOB_TYPES, JobType
from app.queue.models import JobMetadata

HEAD = """# Job types

What each type of job takes and gives, as the code checks it. A type's own page says what it does. Made from the catalog
(`app/queue/catalog.py`) by `buildos job-types --markdown`, which shows types of your own as well; `GET /job-types` serves the same as JSON Schema.

Every type also takes `userId` (must agree with the job's user), `correlationId` and `retriedFrom`; keys that are not known are kept.
"""
ANY_JOB = frozenset(JobMetadata.model_fields)


def page(types: Iterable[JobType]) -> str:
    """The page, in Markdown."""
    return HEAD + "".join(_section(known) for known in types)


def _section(known: JobType) -> str:
    user = "belongs to a user" if known.needs_user else "needs no user"
    facts = (
        f"{known.label}. Queue `{known.queue}`, priority {known.priority} over HTTP, at most {known.max_attempts} runs, "
        f"asked to stop after {known.soft_limit} s and ended after {known.hard_limit} s; {user}{', leasable' if known.leasable else ''}."
    )
    return (
        f"\n## `{known.name}`\n\n{facts}\n"
        + _table("metadata", known.metadata, ANY_JOB)
        + _table("result", known.result, frozenset())
    )


def _table(head: str, model: type[BaseModel], left_out: frozenset[str]) -> str:
    rows = [(name, kind) for name, kind in _fields(model.model_json_schema()) if name.rstrip("*") not in left_out]
    if not rows:
        return f"\n{head.capitalize()}: nothing of its own.\n"
    lines = [f"| {head} | type |", "|---|---|"]
    lines += [f"| `{name.rstrip('*')}`{' (required)' if name.endswith('*') and head == 'metadata' else ''} | {_in_a_cell(kind)} |" for name, kind in rows]
    return "\n" + "\n".join(lines) + "\n"


def _in_a_cell(kind: str) -> str:
    return kind.replace("|", "\\|")


def schema_lines(model: type[BaseModel]) -> Iterator[str]:
    """A model for the terminal, a line for each field; needed ones with a star."""
    for name, kind in _fields(model.model_json_schema()):
        yield f"{name:<24} {kind}"


def _fields(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    named = schema.get("$defs", {})
    for name, part in schema.get("properties", {}).items():
        yield name + "*" * (name in schema.get("required", ())), _kind(part, named)


def _kind(part: dict[str, Any], named: dict[str, Any]) -> str:
    if "$ref" in part:
        inner = named[part["$ref"].rpartition("/")[2]]
        return "{" + ", ".join(f"{name}: {kind}" for name, kind in _fields(inner)) + "}" if "properties" in inner else _kind(inner, named)
    if "anyOf" in part:
        kinds = [_kind(each, named) for each in part["anyOf"] if each.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in part:
        return " or ".join(f"`{value}`" for value in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    if part.get("type") == "array":
        return f"list of {_kind(part['items'], named)}" if part.get("items") else "list"
    return _BY_FORMAT.get(part.get("format", ""), part.get("type", "any")) + _bounds(part)


_BY_FORMAT = {"uuid": "uuid", "date": "date", "date-time": "time"}


def _bounds(part: dict[str, Any]) -> str:
    low, high = part.get("minimum", part.get("minLength")), part.get("maximum", part.get("maxLength"))
    if low is None and high is None:
        return f" like `{part['pattern']}`" if "pattern" in part else ""
    unit = " characters" if "minLength" in part or "maxLength" in part else ""
    return f" ({'up to ' if low is None else f'{low} to ' if high is not None else f'from {low}'}{'' if high is None else high}{unit})"


if __name__ == "__main__":
    print(page(JOB_TYPES.values()), end="")
