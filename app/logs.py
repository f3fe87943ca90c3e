"""How our processes write their logs: readable lines, or one JSON object a line (LOG_FORMAT)."""

from __future__ import annotations

import logging
import sys

import structlog

from app.settings import Settings

# Libraries that tell of every packet or query at INFO.
TALKATIVE = ("engineio", "socketio", "werkzeug", "sqlalchemy", "httpx2", "openai", "alembic")


def configure_logs(settings: Settings) -> None:
    """Send structlog and the standard library's logging to stdout, in one form. Call once, when a process starts."""
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    as_json = settings.log_format == "json"
    shown: list = [structlog.processors.format_exc_info] if as_json else []
    shown.append(
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shown]
        )
    )
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
