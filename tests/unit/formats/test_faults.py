"""A wrong value is named in the same words wherever it came in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from app.formats.faults import say

Wrapped = Annotated[str, BeforeValidator(lambda value: value)]


class Letter(BaseModel):
    to: str = "x"
    copies: Annotated[int, Field(ge=1, le=9)] = 1
    words: Annotated[Wrapped, Field(min_length=1, max_length=3)] = "x"
    name: Annotated[str, Field(pattern=r"\S")] = "x"
    lines: Annotated[list[str], Field(min_length=2, max_length=3)] = ["a", "b"]
    more: dict[str, Any] = {}
    how: Literal["air", "sea"] = "air"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"to": 5}, "expects a string"),
        ({"copies": 0}, "expects at least 1"),
        ({"copies": 10}, "expects at most 9"),
        ({"copies": "many"}, "expects an integer"),
        ({"words": ""}, "must not be empty"),
        ({"words": "four"}, "expects at most 3 characters"),
        ({"name": "  "}, "must not be empty"),
        ({"lines": ["one"]}, "expects at least 2 items"),
        ({"more": []}, "expects an object"),
        ({"how": "rail"}, "expects 'air' or 'sea'"),
    ],
)
def test_words(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Letter.model_validate(given)
    assert [say(fault) for fault in caught.value.errors()] == [said]
