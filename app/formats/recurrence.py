"""Recurrence rules (RFC 5545, RRULE): checked, and expanded over a span without ever running away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from dateutil.rrule import rrulestr

from app.formats.problems import ImportProblem, shown

MAX_OCCURRENCES = 10_000  # of one rule in one span
MAX_STEPS = 200_000  # looked at before the span begins
CALENDAR_CYCLE = timedelta(days=146_097)  # 400 years
_UNITS = {"SECONDLY": 1, "MINUTELY": 60, "HOURLY": 3600, "DAILY": 86_400, "WEEKLY": 604_800}  # seconds
_PERIOD_DAYS = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}
_MONTH_DAYS = dict(enumerate((31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1))
_NUMBERS = {"BYSECOND": (0, 60), "BYMINUTE": (0, 59), "BYHOUR": (0, 23), "BYMONTH": (1, 12), "BYMONTHDAY": (-31, 31)}
_NUMBERS |= {"BYYEARDAY": (-366, 366), "BYWEEKNO": (-53, 53), "BYSETPOS": (-366, 366)}
_PARTS = {*_NUMBERS, "FREQ", "UNTIL", "COUNT", "INTERVAL", "BYDAY", "WKST"}


@dataclass(frozen=True)
class Rule:
    """A checked rule. `until` is a day, a UTC instant or a floating time, as the rule has it; None and `count` None: for ever."""

    parts: dict[str, str]
    freq: str
    interval: int
    count: int | None
    until: date | datetime | None

    @property
    def text(self) -> str:
        """The rule in canonical spelling, without `RRULE:`."""
        return ";".join(f"{name}={value}" for name, value in self.parts.items())

    @property
    def filtered(self) -> bool:
        """Whether the rule says more than `every so often`."""
        return any(name.startswith("BY") for name in self.parts)

    def last(self, zone) -> datetime | None:
        """The local time after which nothing happens. A day as UNTIL includes that day."""
        if self.until is None:
            return None
        if not isinstance(self.until, datetime):
            return datetime.combine(self.until, time.max)
        if self.until.tzinfo is None:
            return self.until
        try:
            return self.until.astimezone(zone).replace(tzinfo=None)
        except OverflowError:  # some programs write "for ever" as the last second of the year 9999
            return datetime.max if self.until.year > 1 else datetime.min


def parse_rule(text: str) -> Rule:
    """Check a rule. Raises ImportProblem in words for what is not a rule, or can never happen."""
    parts: dict[str, str] = {}
    for piece in text.strip().upper().removeprefix("RRULE:").strip(";").split(";"):
        name, _, value = piece.partition("=")
        if not value or name in parts:
            raise _wrong(text, f"{shown(piece) or 'nothing'} is not a part of a rule")
        parts[name.strip()] = value.strip()
    if parts.pop("RSCALE", "GREGORIAN") != "GREGORIAN":
        raise _wrong(text, "only the Gregorian calendar is known")
    parts.pop("SKIP", None)
    unknown = [name for name in parts if name not in _PARTS and not name.startswith("X-")]
    if unknown:
        raise _wrong(text, f"{shown(unknown[0])} is unknown")
    parts = {name: value for name, value in parts.items() if name in _PARTS}
    freq = parts.get("FREQ", "")
    if freq not in (*_UNITS, "MONTHLY", "YEARLY"):
        raise _wrong(text, "FREQ is missing or unknown")
    interval = _whole(parts, "INTERVAL", text) or 1
    count = _whole(parts, "COUNT", text, least=-1)
    if count == -1:  # some programs write "no end" so
        count = None
        del parts["COUNT"]
    rule = Rule(parts, freq, interval, count, _until(parts.get("UNTIL"), text))
    _check(rule, text)
    return rule


def _wrong(text: str, reason: str) -> ImportProblem:
    return ImportProblem(f"RRULE {shown(text)} cannot be used: {reason}")


def _whole(parts: dict[str, str], name: str, text: str, least: int = 1) -> int | None:
    value = parts.get(name)
    if value is None:
        return None
    if len(value) > 9 or not value.lstrip("+-").isdecimal() or int(value) < least or int(value) == 0:
        raise _wrong(text, f"{name} is not a number above 0")
    return int(value)


def _until(value: str | None, text: str) -> date | datetime | None:
    if value is None:
        return None
    for form in ("%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S", "%Y%m%d"):
        try:
            moment = datetime.strptime(value, form)
        except ValueError:
            continue
        if form.endswith("Z"):
            return moment.replace(tzinfo=UTC)
        return moment if "T" in form else moment.date()
    raise _wrong(text, "UNTIL is not a date or time")


def _numbers(rule: Rule, name: str) -> list[int]:
    return [int(value) for value in rule.parts[name].split(",")] if name in rule.parts else []


def _check(rule: Rule, text: str) -> None:
    for name, (low, high) in _NUMBERS.items():
        try:
            values = _numbers(rule, name)
        except ValueError:
            raise _wrong(text, f"{name} is not a list of numbers") from None
        if any(not low <= value <= high or (low < 0 and value == 0) for value in values):
            raise _wrong(text, f"{name} is out of range")
    if "BYYEARDAY" in rule.parts and rule.freq in ("DAILY", "WEEKLY", "MONTHLY"):
        raise _wrong(text, f"BYYEARDAY does not go with {rule.freq}")
    if "BYWEEKNO" in rule.parts and rule.freq != "YEARLY":
        raise _wrong(text, f"BYWEEKNO does not go with {rule.freq}")
    if positions := _numbers(rule, "BYSETPOS"):
        if rule.freq not in _PERIOD_DAYS:
            raise _wrong(text, f"BYSETPOS does not go with {rule.freq}")
        times = _per_day(rule)
        if all(abs(position) > times * _PERIOD_DAYS[rule.freq] for position in positions):
            raise _wrong(text, "it never happens")
    months, days = _numbers(rule, "BYMONTH"), _numbers(rule, "BYMONTHDAY")
    if months and days and not any(abs(day) <= _MONTH_DAYS[month] for month in months for day in days):
        raise _wrong(text, "it never happens")
    try:
        _dateutil(rule, datetime(2026, 1, 1))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise _wrong(text, shown(error) or "it is not a rule") from None


def _per_day(rule: Rule) -> int:
    result = 1
    for name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        result *= len(_numbers(rule, name)) or 1
    return result


def _dateutil(rule: Rule, start: datetime, count: int | None = None):
    parts = {name: value for name, value in rule.parts.items() if name not in ("UNTIL", "COUNT")}
    if count is not None:
        parts["COUNT"] = str(count)
    return rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=start)


def expand(rule: Rule, start: datetime, first: datetime, last: datetime, zone) -> tuple[list[datetime], bool]:
    """Local start times from `first` to `last`, both included, and whether there were more than MAX_OCCURRENCES.

    All times are wall-clock times without a zone; `zone` only tells what an UNTIL in UTC means. Raises ImportProblem for
    a rule that could only be counted through by more than MAX_STEPS steps.
    """
    until = rule.last(zone)
    last = min(last, until) if until else last
    start, count = _fast_forward(rule, start, first)
    found: list[datetime] = []
    if count == 0 or last < start:
        return found, False
    # dateutil looks for a next match up to the year 9999. The calendar repeats after 400 years, weekdays too: so the rule
    # is run in the last such years, and a rule that does not match again is given up after centuries, not millennia.
    cycles = CALENDAR_CYCLE * ((datetime.max.year - last.year) // 400)
    for moment in _dateutil(rule, start + cycles, count):
        if moment > last + cycles:
            break
        if moment < first + cycles:
            continue
        if len(found) == MAX_OCCURRENCES:
            return found, True
        found.append(moment - cycles)
    return found, False


def _fast_forward(rule: Rule, start: datetime, first: datetime) -> tuple[datetime, int | None]:
    """A later start of the same rule, whole intervals on, so that years of seconds are not counted through."""
    unit = _UNITS.get(rule.freq)
    if unit is None:
        return start, rule.count
    step = timedelta(seconds=unit * rule.interval)
    skip = (first - start) // step - 1
    if skip < 1000:
        return start, rule.count
    if rule.count is not None:
        if rule.filtered:
            if skip > MAX_STEPS:
                raise _wrong(rule.text, f"counting from {start:%Y-%m-%d} on takes too long")
            return start, rule.count
        return start + skip * step, max(0, rule.count - skip)
    return start + skip * step, None
