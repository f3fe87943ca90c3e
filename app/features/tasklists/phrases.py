"""English words for dates, as Todoist exports them: `tomorrow at 5pm`, `every 2 weeks`, `Dec 24`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from dateutil.relativedelta import relativedelta

from app.formats.problems import ImportProblem
from app.formats.recurrence import expand, parse_rule

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_UNITS = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}
_SINGLE = {
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "yearly": "year",
    "annually": "year",
    "quarterly": "quarter",
}
_NAMED_TIMES = {
    "noon": time(12),
    "midnight": time(0),
    "morning": time(9),
    "afternoon": time(12),
    "evening": time(19),
    "night": time(22),
}
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_TIME = re.compile(
    r"(?:\s|^)(?:(?:at|@)\s*(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>[ap]m)?"
    r"|(?P<hour2>\d{1,2})(?::(?P<minute2>\d\d))\s*(?P<half2>[ap]m)?|(?P<hour3>\d{1,2})\s*(?P<half3>[ap]m)"
    r"|(?:at |in the )?(?P<named>noon|midnight|morning|afternoon|evening|night))$"
)


@dataclass(frozen=True)
class Phrase:
    """What a phrase means: the (first) day, a time of day if it says one, and how it repeats."""

    day: date
    time: time | None = None
    recurrence: str | None = None


def read_phrase(text: str, now: datetime) -> Phrase | None:
    """The meaning of an English phrase on the local day of `now`; None where it is not understood. Never raises."""
    words = " ".join(text.lower().replace(",", " , ").split())
    words = re.sub(r"^(every|ev|each|after)\s*!\s*", "every ", words)
    words, at = _split_time(words)
    try:
        if repeating := _repeating(words, now.date()):
            return Phrase(repeating[0], at, repeating[1])
        day = _day(words.replace(" ,", ""), now.date())
    except (ValueError, OverflowError, ImportProblem):
        return None
    if day is None and at is not None and not words:
        day = now.date()
    return Phrase(day, at) if day else None


def _split_time(words: str) -> tuple[str, time | None]:
    match = _TIME.search(words)
    if not match:
        return words, None
    rest = words[: match.start()].strip(" ,")
    if match["named"]:
        return rest, _NAMED_TIMES[match["named"]]
    hour = int(match["hour"] or match["hour2"] or match["hour3"])
    minute = int(match["minute"] or match["minute2"] or 0)
    half = match["half"] or match["half2"] or match["half3"]
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return (rest, time(hour, minute)) if hour < 24 and minute < 60 else (words, None)


def _index(word: str, names: tuple[str, ...]) -> int | None:
    """The place of a name, given in full or by its first three letters or more."""
    word = word.rstrip(".")
    return next((i for i, name in enumerate(names) if len(word) >= 3 and name.startswith(word)), None)


def _weekday(word: str) -> int | None:
    found = _index(word, _DAYS)
    return found if found is not None else _index(word.removesuffix("s"), _DAYS)


def _day(words: str, today: date) -> date | None:
    """A single day."""
    named = {"today": 0, "tod": 0, "tomorrow": 1, "tom": 1, "tmrw": 1, "yesterday": -1}
    if words in named:
        return today + timedelta(days=named[words])
    if words in ("weekend", "this weekend"):
        return today + timedelta(days=(5 - today.weekday()) % 7)
    if words == "next week":
        return today + timedelta(days=7 - today.weekday())
    if words == "next month":
        return (today + relativedelta(months=1)).replace(day=1)
    if words == "next year":
        return date(today.year + 1, 1, 1)
    if match := re.fullmatch(r"(?:in )?(\d{1,4}|an?|one) (day|week|month|year)s?", words):
        number = int(match[1]) if match[1].isdecimal() else 1
        return today + relativedelta(**{f"{match[2]}s": number})
    first, _, rest = words.partition(" ")
    if first == "next" and (weekday := _weekday(rest)) is not None:
        return today + timedelta(days=7 - today.weekday() + weekday)
    if (weekday := _weekday(words.removeprefix("this ").removeprefix("on "))) is not None:
        return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)
    return _calendar_day(words, today)


def _calendar_day(words: str, today: date) -> date | None:
    """A day of a year, or the next such day."""
    if match := re.fullmatch(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", words):
        return date(int(match[1]), int(match[2]), int(match[3]))
    if match := re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})?", words):
        return _in_year(int(match[2]), int(match[1]), match[3], today)
    if match := re.fullmatch(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})", words):
        one, two = int(match[1]), int(match[2])
        if one == two or max(one, two) > 12:  # else nobody can tell the day from the month
            return date(int(match[3]), min(one, two), max(one, two))
        return None
    return _named_day(words, today)


def _named_day(words: str, today: date) -> date | None:
    """`Dec 24`, `24 Dec 2026`, `December 24th`."""
    match = re.fullmatch(r"([a-z]+)\.? (\d{1,2})(?:st|nd|rd|th)?(?: (\d{4}))?", words)
    month, day = (match[1], match[2]) if match else ("", "")
    if not match:
        match = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?(?: of)? ([a-z]+)\.?(?: (\d{4}))?", words)
        month, day = (match[2], match[1]) if match else ("", "")
    index = _index(month, _MONTHS)
    return None if index is None else _in_year(index + 1, int(day), match[3], today)


def _in_year(month: int, day: int, year: str | None, today: date) -> date:
    if year:
        return date(int(year), month, day)
    for candidate in range(today.year, today.year + 9):  # 29 February is at most eight years away
        try:
            found = date(candidate, month, day)
        except ValueError:
            continue
        if found >= today:
            return found
    raise ValueError


def _repeating(words: str, today: date) -> tuple[date, str] | None:
    """The first day from today on, and the rule. None where the words do not speak of repeating, ValueError where unclear."""
    start, until = today, None
    if match := re.search(r" (?:until|ending|end|till) (.+)$", words):
        until, words = _day(match[1].replace(" ,", ""), today), words[: match.start()]
        if until is None:
            raise ValueError
    if match := re.search(r" (?:starting|start|from|beginning)(?: on)? (.+)$", words):
        start, words = _day(match[1].replace(" ,", ""), today), words[: match.start()]
        if start is None:
            raise ValueError
    first, _, rest = words.partition(" ")
    if first in _SINGLE and not rest:
        what = _SINGLE[first]
    elif first in ("every", "ev", "each", "after") and rest:
        what = rest
    else:
        return None
    text = _rule(what, today)
    if until:
        text += f";UNTIL={until:%Y%m%d}"
    rule, begin = parse_rule(text), datetime.combine(start, time())
    every = parse_rule(
        re.sub(r";INTERVAL=\d+", "", rule.text)
    )  # the first is the next that fits, whatever the interval
    moments, _ = expand(every, begin, begin, begin + timedelta(days=366 * 9), None)
    if not moments:
        raise ValueError
    return moments[0].date(), rule.text


def _rule(what: str, today: date) -> str:
    """The RRULE for what follows `every`. Raises ValueError where it is not understood."""
    if what in ("weekday", "workday", "work day", "weekdays", "workdays"):
        return "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
    if what in ("weekend", "weekends"):
        return "FREQ=WEEKLY;BYDAY=SA"
    if what == "quarter":
        return "FREQ=MONTHLY;INTERVAL=3"
    if what in ("last day", "last day of the month", "last day of month"):
        return "FREQ=MONTHLY;BYMONTHDAY=-1"
    if match := re.fullmatch(r"(?:(\d{1,3}|other) )?(day|week|month|year)s?(?: on)?(?: (.+))?", what):
        interval = 2 if match[1] == "other" else int(match[1] or 1)
        base = f"FREQ={_UNITS[match[2]]}" + (f";INTERVAL={interval}" if interval != 1 else "")
        if match[3] and match[2] == "week":
            return f"{base};BYDAY={_weekdays(match[3])}"
        if match[3]:
            raise ValueError
        return base
    interval = ""
    if match := re.fullmatch(r"other (.+)", what):
        interval, what = ";INTERVAL=2", match[1]
    if match := re.fullmatch(
        r"(\d(?:st|nd|rd|th)|first|second|third|fourth|last) ([a-z]+)(?: of (?:the|each|every) month)?", what
    ):
        number = _ORDINALS.get(match[1]) or int(match[1][0])
        if (weekday := _weekday(match[2])) is not None and number <= 5:
            return f"FREQ=MONTHLY{interval};BYDAY={number}{_CODES[weekday]}"
    if (day := _named_day(what.replace(" ,", ""), today)) is not None:
        return f"FREQ=YEARLY{interval};BYMONTH={day.month};BYMONTHDAY={day.day}"
    if re.fullmatch(r"\d{1,2}(st|nd|rd|th)?( (,|and) \d{1,2}(st|nd|rd|th)?)*", what):
        return f"FREQ=MONTHLY{interval};BYMONTHDAY={','.join(re.findall(r'[0-9]+', what))}"
    return f"FREQ=WEEKLY{interval};BYDAY={_weekdays(what)}"


def _weekdays(words: str) -> str:
    days = [_weekday(word) for word in re.split(r"(?: , | and | & | )+", f" {words} ") if word]
    if not days or None in days:
        raise ValueError
    return ",".join(_CODES[day] for day in sorted(set(days)))
