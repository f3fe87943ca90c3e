"""Calendars over HTTP and task lists as `buildos import` takes them: put together from the words of the formats, and torn."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import requests
from hypothesis import strategies as st
from sqlalchemy import Engine

from app.cli.import_files import import_file
from tests.fuzz.drive import ODD, TEXT, caught, drive
from tests.fuzz.world import PATIENCE, SERVICE_KEY, Fault, World
from tests.support.servers import ROOT

SAMPLES = [*sorted((ROOT / "tests/data").glob("*.ics")), *sorted((ROOT / "docs/samples").iterdir())]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

TIMES = st.sampled_from(
    ["20261122T090000", "20261122T090000Z", "20261122", "20260229", "99991231T235959Z", "00010101", "20261122T250000", "", "P1D", "-P1W", "P99999999999D", "x"]
) | TEXT  # fmt: skip
RULES = st.lists(
    st.sampled_from(
        ["FREQ=DAILY", "FREQ=SECONDLY", "FREQ=YEARLY", "FREQ=", "COUNT=3", "COUNT=999999999", "COUNT=-1", "UNTIL=20270101", "UNTIL=20260101T000000Z", "INTERVAL=0",
         "INTERVAL=99999999999", "BYDAY=MO,TU", "BYDAY=-53SU", "BYDAY=8XX", "BYMONTHDAY=31,-31", "BYMONTH=2", "BYSETPOS=-1", "BYYEARDAY=366", "BYHOUR=25", "WKST=SU", "RSCALE=X"]
    ), max_size=6,
).map(";".join)  # fmt: skip
NAMES = st.sampled_from(
    ["UID", "SUMMARY", "DTSTART", "DTEND", "DUE", "DURATION", "RRULE", "EXDATE", "RDATE", "RECURRENCE-ID", "STATUS", "LOCATION", "DESCRIPTION", "PRIORITY", "CATEGORIES",
     "RELATED-TO", "COMPLETED", "SEQUENCE", "DTSTAMP", "LAST-MODIFIED", "X-ODD", "METHOD", "TZID", "BEGIN", "END", "ATTACH", "PERCENT-COMPLETE"]
)  # fmt: skip
PARAMETERS = st.sampled_from(["", "", ";VALUE=DATE", ";TZID=Europe/Berlin", ";TZID=Nowhere/At All", ";TZID=", ";VALUE=PERIOD", ";X=\"", ";ENCODING=BASE64", ";RANGE=THISANDFUTURE"])
VALUES = TIMES | RULES | TEXT | ODD.map(str)
LINES = st.tuples(NAMES, PARAMETERS, VALUES).map(lambda parts: f"{parts[0]}{parts[1]}:{parts[2]}")
GOOD = st.tuples(st.sampled_from(["1", "2", "3"]), TIMES, RULES).map(lambda parts: [f"UID:{parts[0]}", "SUMMARY:s", f"DTSTART:{parts[1]}", f"RRULE:{parts[2]}"])
COMPONENTS = st.tuples(st.sampled_from(["VEVENT", "VTODO", "VALARM", "VTIMEZONE", "X"]), GOOD, st.lists(LINES, max_size=8), st.booleans()).map(
    lambda parts: [f"BEGIN:{parts[0]}", *parts[1], *parts[2], *([f"END:{parts[0]}"] if parts[3] else [])]
)  # fmt: skip
CALENDARS = st.tuples(st.lists(COMPONENTS, max_size=5), st.sampled_from(["\r\n", "\n", "\r"]), st.sampled_from(["utf-8", "utf-16", "latin-1", "utf-8-sig"])).map(
    lambda parts: parts[1].join(["BEGIN:VCALENDAR", "VERSION:2.0", *(line for one in parts[0] for line in one), "END:VCALENDAR"]).encode(parts[2], "replace")
)  # fmt: skip
COLUMNS = st.sampled_from(
    ["title", "project", "due_date", "start_date", "priority", "status", "TYPE", "CONTENT", "DESCRIPTION", "PRIORITY", "INDENT", "AUTHOR", "DATE", "DATE_LANG", "TIMEZONE",
     "DURATION", "id", "parent", "tags", "x", ""]
)  # fmt: skip
CELLS = st.sampled_from(["task", "section", "note", "every day", "every 2nd tuesday at 5pm", "tomorrow", "Nov 31", "2026-02-30", "1", "4", "done", "high", "en", '"', "a,b"]) | TEXT | ODD.map(str)
TABLES = st.tuples(st.lists(COLUMNS, min_size=1, max_size=9), st.lists(st.lists(CELLS, max_size=10), max_size=8), st.sampled_from([",", ";", "\t"])).map(
    lambda parts: "\n".join(parts[2].join(f'"{cell}"' if parts[2] in cell else cell for cell in row) for row in [parts[0], *parts[1]]).encode("utf-8", "replace")
)  # fmt: skip


def _torn(sample: Path) -> st.SearchStrategy[bytes]:
    """A real file with pieces cut out, doubled and changed."""
    data = sample.read_bytes()

    def tear(number: int) -> bytes:
        chance, torn = random.Random(number), bytearray(data)
        for _ in range(chance.randrange(1, 8)):
            at, length = chance.randrange(len(torn) or 1), chance.randrange(1, 40)
            how = chance.randrange(4)
            piece = torn[at : at + length]
            torn[at : at + length] = b"" if how == 0 else piece * 2 if how == 1 else bytes(chance.randrange(256) for _ in piece) if how == 2 else chance.choice([b"\r\n", b",", b":", b'"'])
        return bytes(torn)

    return st.integers(0, 10**9).map(tear)


def fuzz_calendars(world: World, *, examples: int, start: int) -> list[str]:
    """POST /api/calendar/events/import, plain and as a form."""
    torn = st.one_of(*(_torn(sample) for sample in SAMPLES if sample.suffix == ".ics"))

    def send(case: tuple[bytes, bool, str]) -> None:
        data, form, name = case
        url, headers = f"{world.api.url}/api/calendar/events/import", {"Authorization": f"Bearer {SERVICE_KEY}"}
        if form:
            request = requests.Request("POST", url, files={"file": (name, data)}, data={"userId": world.users[0]}, headers=headers)
        else:
            request = requests.Request("POST", url, params={"userId": world.users[0]}, data=data, headers={**headers, "Content-Type": "text/calendar"})
        world.ask("calendar files", request)

    cases = st.tuples(CALENDARS | torn | st.binary(max_size=300), st.booleans(), TEXT)
    return drive("calendar files", cases, send, examples=examples, start=start) + caught("calendar files", world.alive)


def fuzz_lists(world: World, engine: Engine, *, examples: int, start: int) -> list[str]:
    """What `buildos import` does with a file: refused entry by entry or imported, never an exception."""
    torn = st.one_of(*(_torn(sample) for sample in SAMPLES))

    def read(case: tuple[bytes, str]) -> None:
        data, name = case
        began = time.monotonic()
        try:
            result: Any = import_file(engine, UUID(world.users[1]), name, data, NOW)
        except Exception as error:
            raise Fault(f"{name} {data!r}: {error!r}") from error
        took = time.monotonic() - began
        world.note("task files", "400" if result.problems else "200", took)
        if took > PATIENCE:
            raise Fault(f"{name} {data!r}: {took:.1f} s")

    cases = st.tuples(TABLES | torn | CALENDARS | st.binary(max_size=300), st.sampled_from(["list.csv", "calendar.ics", "x.CSV", "tasks.txt"]))
    return drive("task files", cases, read, examples=examples, start=start)
