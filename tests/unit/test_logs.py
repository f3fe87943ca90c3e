"""What a log line says, and what it never says."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from app import logs, tracing
from app.queue.claims import Claim
from tests.support.servers import plain_settings

HELD = Claim("0195-id", "brief-1", "ann", "send_sms", "{}", 2, 3, 7, "task", f"00-{'a' * 32}-{'b' * 16}-01")


class Written:
    """What was logged, as JSON."""

    def __init__(self, file: Path):
        self._file = file
        self.configure()

    def configure(self, celery_level: int = logging.WARNING, **settings: str) -> None:
        """As a process does when it starts."""
        logs.configure_logs(plain_settings(log_format="json", **settings), celery_level=celery_level, file=str(self._file))

    def text(self) -> str:
        """All of it."""
        return self._file.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """Line by line."""
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """What is logged; logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in (*logs.TALKATIVE, *logs.CELERYS)}
    yield Written(tmp_path / "log")
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to Ada.Love+x@mail.example.com now", "to <email> now"),
        ("call +1 555 123-4567 or +4915112345678", "call <phone> or <phone>"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer <secret>"),
        ("postgresql://ann:pass@db:5432/x", "postgresql://<secret>@db:5432/x"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln", "<token>"),
        ('{"password": "hunter2", "api_key": "x1"}', '{"password": "<secret>", "api_key": "<secret>"}'),
        ("refused\nDETAIL:  Failing row contains (1, See Dr.\nMiller).\nCONTEXT:  SQL function", "refused\nDETAIL: <hidden>\nCONTEXT:  SQL function"),
        ("DETAIL:  Key (name)=(Ann) already exists.", "DETAIL: <hidden>"),
        ("[type=int_type, input_value='See Dr. Miller', input_type=str]", "[type=int_type, input_value=<hidden>, input_type=str]"),
        ("job 0195c1d2-0000-7000-8000-000000000001 took 1.5 s at 2026-11-22T07:00:00Z +02:00", None),
        ("3 of 5 runs; GET /users/12345678/jobs?limit=10", None),
    ],
    ids=["mail", "phone", "bearer", "url", "jwt", "named", "row", "key", "value", "ids and times", "numbers"],
)
def test_what_is_masked(text: str, masked: str | None) -> None:
    assert logs.mask(text) == (masked or text)


def test_a_line_carries_its_cause_whoever_writes_it(written: Written) -> None:
    with logs.about(HELD):
        logging.getLogger("some.library").warning("to %s", "ada@example.com")
        structlog.get_logger("ours").info("working", number=1)
    logging.getLogger("some.library").warning("later")
    theirs, ours, later = written.lines()
    cause = {"job": "0195-id", "job_type": "send_sms", "attempt": 2, "user": "ann", "correlation_id": "a" * 32}
    assert cause.items() <= theirs.items() and cause.items() <= ours.items() and not cause.keys() & later.keys()
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("to <email>", "warning", "some.library")
    assert (ours["event"], ours["number"], ours["level"]) == ("working", 1, "info")


def test_a_traceback_shows_no_values(written: Written) -> None:
    secret = "ada@example.com"
    try:
        raise ValueError(f"no mailbox {secret}")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = written.lines()
    assert "ValueError: no mailbox <email>" in line["exception"] and secret not in written.text()


def test_celerys_own_lines_follow_its_option(written: Written) -> None:
    logging.getLogger("celery.worker").info("received")
    logging.getLogger("tasks.ticks").info("ours")
    written.configure(logging.INFO, log_level="ERROR")
    logging.getLogger("celery.worker").info("received")
    assert [line["event"] for line in written.lines()] == ["ours", "received"]


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", True), (f"00-{'A' * 32}-{'b' * 16}-00", True), (f"00-{'0' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'0' * 16}-01", False), (f"01-{'a' * 32}-{'b' * 16}-01", False), ("00-x", False), ("", False), (None, False),
        (f"00-{'a' * 32}-{'b' * 16}-01\n", True), (f"00-{'٣' * 32}-{'b' * 16}-01", False),
    ],
    ids=["good", "capitals", "no trace", "no span", "version", "short", "empty", "none", "line end", "other digits"],
)  # fmt: skip
def test_who_names_a_trace_is_followed_and_others_get_one(header: str | None, kept: bool) -> None:
    tracing.begin_request(header)
    found = logs.TRACEPARENT.get()
    assert (found == (header or "").strip().lower()) is kept and len(found.split("-")[1]) == 32
    logs.TRACEPARENT.set(None)


def test_what_a_client_put_there_breaks_no_line() -> None:
    with logs.about(HELD._replace(traceparent="odd")):
        assert "correlation_id" not in logs.cause()


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, None),
        ({"otel_exporter_otlp_endpoint": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({"otel_exporter_otlp_traces_endpoint": "http://c/x"}, "http://c/x"),
        ({"otel_traces_exporter": "otlp"}, "http://127.0.0.1:4318/v1/traces"),
        ({"otel_exporter_otlp_endpoint": "http://c:4318", "otel_traces_exporter": "none"}, None),
        ({"otel_exporter_otlp_endpoint": "http://c:4318", "otel_sdk_disabled": True}, None),
    ],
    ids=["off", "endpoint", "traces endpoint", "exporter", "none", "disabled"],
)
def test_the_standard_variables_switch_traces_on_and_off(given: dict, address: str | None) -> None:
    assert plain_settings(**given).traces_address == address
