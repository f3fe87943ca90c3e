"""How our processes write their logs: readable lines, or one JSON object a line (LOG_FORMAT); and what each line says of its cause.

Every line that a request or a run writes carries its correlation id, its user and its job. Addresses, phone numbers and secrets are
masked in all of them, whoever wrote the text.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import structlog

from app.settings import Settings

# Libraries that tell of every packet or query at INFO.
TALKATIVE = ("engineio", "socketio", "werkzeug", "sqlalchemy", "httpx2", "openai", "alembic", "urllib3")
# Celery's own: they say two lines for each job at INFO, so `celery -A tasks worker -l` decides about them.
CELERYS = ("celery", "kombu", "billiard", "amqp")


class Job(Protocol):
    """What a line says of the job it is about."""

    job_id: str
    job_type: str
    user: str | None
    attempt: int
    traceparent: str | None


JOB: ContextVar[Job | None] = ContextVar("job", default=None)
"""The job whose run goes on here."""
USER: ContextVar[str | None] = ContextVar("user", default=None)
"""Who asks, in a request."""
TRACEPARENT: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The W3C trace context of what goes on here, whether or not traces are sent anywhere: its trace id is the correlation id."""


def current_traceparent() -> str | None:
    """What a job that is added now should carry, so that its lines and spans belong to what goes on here."""
    held = JOB.get()
    return TRACEPARENT.get() or (held.traceparent if held is not None else None)


@contextmanager
def about(job: Job) -> Iterator[None]:
    """Lines written meanwhile are about this job."""
    token = JOB.set(job)
    try:
        yield
    finally:
        JOB.reset(token)


def cause() -> dict[str, Any]:
    """The correlation id, user and job of what goes on here, as far as there are any."""
    known: dict[str, Any] = {}
    if (held := JOB.get()) is not None:
        known = {"job": held.job_id, "job_type": held.job_type, "attempt": held.attempt}
    if user := USER.get() or (held.user if held is not None else None):
        known["user"] = user
    if len(parts := (current_traceparent() or "").split("-")) == 4:  # a SQL client may have written anything there
        known["correlation_id"] = parts[1]
    return known


_MASKED = (
    # What Postgres and pydantic add to their messages: the row, the key, the value that was refused.
    (re.compile(r"(DETAIL:).*?(?=\n(?:HINT|CONTEXT|QUERY|LINE \d|\[SQL|\(Background|\n)|\Z)", re.DOTALL), r"\1 <hidden>"),
    (re.compile(r"(input_value=).*?(?=, input_type=)", re.DOTALL), r"\1<hidden>"),
    (re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"), "<email>"),
    (re.compile(r"(?<![\w.+-])\+\d[\d -]{6,16}\d(?![\w-])"), "<phone>"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), r"\1 <secret>"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), "<token>"),
    (re.compile(r"(?i)\b(password|passwd|secret|token|api[_-]?key|service[_-]?key)(\"?'?\s*[=:]\s*\"?'?)[^\s\"'&,;]+"), r"\1\2<secret>"),
    (re.compile(r"://[^\s/@:]*:[^\s/@]+@"), "://<secret>@"),
)


def mask(text: str) -> str:
    """`text` without mail addresses, phone numbers, tokens and passwords."""
    for pattern, instead in _MASKED:
        text = pattern.sub(instead, text)
    return text


def _add_cause(_logger: Any, _method: str, line: dict[str, Any]) -> dict[str, Any]:
    for name, value in cause().items():
        line.setdefault(name, value)
    return line


def _mask_line(_logger: Any, _method: str, line: dict[str, Any]) -> dict[str, Any]:
    return {name: mask(value) if isinstance(value, str) else value for name, value in line.items()}


def configure_logs(settings: Settings, *, celery_level: int = logging.WARNING, file: str | None = None) -> None:
    """Send structlog and the standard library's logging to stdout, or to `file`, in one form. Call once, when a process starts.

    `celery_level` is for Celery's own lines; where it asks for more than LOG_LEVEL does, ours follow it.
    """
    shared = [
        _add_cause,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler: logging.Handler = logging.FileHandler(file) if file else logging.StreamHandler(sys.stdout)
    colors = file is None and sys.stdout.isatty()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,  # without the values of variables, which are anybody's
                _mask_line,
                structlog.processors.JSONRenderer()
                if settings.log_format == "json"
                else structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback),
            ],
        )
    )
    level = logging.getLevelName(settings.log_level)
    if celery_level < logging.WARNING:
        level = min(level, celery_level)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, level))
    for name in CELERYS:
        logging.getLogger(name).setLevel(celery_level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
