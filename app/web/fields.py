"""The kinds of values the API takes, each refused with a message that says what it expects."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, StrictBool, StrictStr, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from app.queue.catalog import JOB_TYPES
from app.queue.models import FIRST_YEAR, LAST_YEAR, parse_date

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?([Zz]|[+-]\d{2}:?\d{2})?", re.ASCII)


def parse_instant(value: Any) -> datetime:
    """An ISO 8601 date and time, in UTC where it names no offset. Raises ValueError saying what is expected."""
    if not (isinstance(value, str) and _INSTANT.fullmatch(value)):
        raise ValueError("expects a date and time in ISO 8601, as 2026-11-21T09:00:00Z")
    try:
        instant = datetime.fromisoformat(value.upper().replace(",", "."))
        instant = instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"there is no such date and time: {value}") from None
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError(f"expects a year from {FIRST_YEAR} to {LAST_YEAR}")
    return instant


def parse_word(value: Any) -> bool:
    """`true` or `false`, as a query says it. Raises ValueError saying what is expected."""
    if value in ("true", "false"):
        return value == "true"
    raise ValueError("expects true or false")


def parse_timezone(value: Any) -> str:
    """An IANA time zone by its name. Raises ValueError for anything else, paths included."""
    if isinstance(value, str) and value in _timezones():
        return value
    raise ValueError("expects an IANA time zone, as Europe/Berlin")


def zone_or_utc(name: str | None) -> ZoneInfo:
    """The zone of a stored name; UTC where it is none, as a stored value must never break a request."""
    return ZoneInfo(name if name in _timezones() else "UTC")


@lru_cache(maxsize=1)
def _timezones() -> frozenset[str]:
    # Names that mean whatever the machine is set to are nobody's time zone.
    return frozenset(available_timezones() - {"localtime", "Factory", "posixrules"})


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain the character NUL")
    return value


Text = Annotated[StrictStr, AfterValidator(_storable)]
"""A string Postgres can hold."""

Flag = StrictBool
"""true or false, never a word or a number."""

QueryFlag = Annotated[bool, BeforeValidator(parse_word)]
"""The same in a query, where all are words."""

Day = Annotated[date, BeforeValidator(parse_date), WithJsonSchema({"type": "string", "format": "date"})]
Instant = Annotated[datetime, BeforeValidator(parse_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Timezone = Annotated[
    str, BeforeValidator(parse_timezone), WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]})
]


class _OfTheCatalog:
    """The names there are when the API is described: modules of JOB_MODULES may have added some."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": list(JOB_TYPES)}


def _known_type(value: str) -> str:
    if value not in JOB_TYPES:
        raise ValueError(f"expects one of {', '.join(JOB_TYPES)}")
    return value


JobTypeName = Annotated[StrictStr, AfterValidator(_known_type), _OfTheCatalog()]
UserId = Annotated[StrictStr, Field(description="Id of the user; one that is not known, or no id at all, is 404.")]
ProjectIds = Annotated[list[Annotated[Text, Field(max_length=100)]], Field(max_length=1000)]


def whole_number(expected: str) -> BeforeValidator:
    """For a number in a query string: plain digits; `expected` says which, as in `1 to 100`."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= 6):
            raise ValueError(f"expects a number from {expected}")
        return value

    return BeforeValidator(check)


Limit = Annotated[int, whole_number("1 to 100"), Field(ge=1, le=100)]
