"""Asking a language model for JSON of a known shape: data between marks it cannot break, a check, one round of repair."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from app.ports.llm import LLM

M = TypeVar("M", bound=BaseModel)

MOST_PROBLEMS = 12  # told to the model
LONGEST_REPEATED = 12_000  # characters of an answer that are shown to the model again


class UnusableAnswer(Exception):
    """A model answered twice, and neither answer was of use. The message names the model and the first problem."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[M]):
    """What a model said: the checked `value`, the `model` that gave it, and whether it needed the second round."""

    value: M
    model: str
    repaired: bool


def as_data(name: str, value: Any) -> str:
    """`value` as JSON between `<name>` and `</name>`. No text in it can end the data: every `<` inside is written as an escape."""
    encoded = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
    return f"<{name}>\n{encoded.replace('<', chr(92) + 'u003c')}\n</{name}>"


def ask_for(
    llm: LLM,
    shape: type[M],
    *,
    system: str,
    user: str,
    max_tokens: int,
    check: Callable[[M], Sequence[str]] = lambda _: (),
) -> Answer[M]:
    """The model's answer as `shape`, for which `check` finds no problem.

    An answer that does not fit goes back once, with what is wrong with it. Blocks while the models are asked. Raises UnusableAnswer
    after the second one, and LLMUnavailable.
    """
    first = llm.complete(system=system, user=user, max_tokens=max_tokens)
    value, problems = _read(first.text, shape, check)
    if value is not None:
        return Answer(value, first.model, repaired=False)
    again = "\n\n".join(
        (
            user,
            "Your answer before this one could not be used. It and what is wrong with it follow as data.",
            as_data("earlier_answer", first.text[:LONGEST_REPEATED]),
            as_data("problems", problems),
            "Answer again with the whole JSON object, corrected, and nothing else.",
        )
    )
    second = llm.complete(system=system, user=again, max_tokens=max_tokens)
    value, problems = _read(second.text, shape, check)
    if value is None:
        raise UnusableAnswer(f"{second.model} gave no usable answer in two rounds: {problems[0]}")
    return Answer(value, second.model, repaired=True)


def _read(text: str, shape: type[M], check: Callable[[M], Sequence[str]]) -> tuple[M | None, list[str]]:
    """The answer, or what is wrong with it in words."""
    try:
        found = _object_in(text)
    except (ValueError, RecursionError) as error:
        return None, [f"it is not one JSON object: {str(error)[:200]}"]
    try:
        value = shape.model_validate(found)
    except ValidationError as error:
        return None, [
            f"{'.'.join(str(part) for part in item['loc']) or 'the object'}: {item['msg']}"[:200]
            for item in error.errors(include_url=False, include_context=False, include_input=False)[:MOST_PROBLEMS]
        ]
    problems = [problem[:200] for problem in check(value)][:MOST_PROBLEMS]
    return (None, problems) if problems else (value, [])


def _object_in(text: str) -> Any:
    """The JSON object in an answer that may stand in a fence or between sentences. Raises ValueError where there is none."""
    start = text.find("{")
    if start < 0:
        raise ValueError("there is no { in it")
    found, _ = _DECODER.raw_decode(text, start)
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
