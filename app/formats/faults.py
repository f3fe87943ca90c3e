"""What is wrong with a value, in the words of the API: said alike of requests, of jobs in bulk and of a job's metadata."""

from __future__ import annotations

from typing import Any

# pydantic's words and ours
_WORDS = (
    ("Input should be ", "expects "),
    ("a valid integer", "an integer"),
    ("a valid dictionary", "an object"),
    ("a valid ", "a "),
    ("greater than or equal to", "at least"),
    ("less than or equal to", "at most"),
)


def say(fault: Any) -> str:
    """One of a ValidationError's `errors()`, to stand behind the field's name and a colon: `is required`, `expects a string`."""
    kind, context = fault["type"], fault.get("ctx") or {}
    if kind == "missing":
        return "is required"
    if kind in ("model_type", "dict_type"):
        return "expects an object"
    if kind == "string_pattern_mismatch" and context.get("pattern") == r"\S":
        return "must not be empty"
    if kind.endswith("too_short") and context.get("min_length") == 1:
        return "must not be empty"
    if kind.endswith(("too_short", "too_long")):
        bound = ("at least", context["min_length"]) if "min_length" in context else ("at most", context["max_length"])
        noun = "character" if kind.startswith("string") or isinstance(fault.get("input"), str) else "item"
        return f"expects {bound[0]} {bound[1]} {noun}{'' if bound[1] == 1 else 's'}"
    message = fault["msg"].removeprefix("Value error, ").split(", unable to parse")[0]
    if message.startswith("Input should be "):
        for theirs, ours in _WORDS:
            message = message.replace(theirs, ours)
    return message
