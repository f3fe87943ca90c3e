"""What Celery's processes write down: logs in our form, traces, errors."""

from __future__ import annotations

import logging
from typing import Any

from celery import signals
from celery.utils.log import mlevel

from app import reporting, tracing
from app.logs import configure_logs
from app.settings import get_settings


@signals.setup_logging.connect
def _logs(loglevel: Any = None, logfile: str | None = None, **_: Any) -> None:
    """In place of Celery's own: `-l` is for its lines, `-f` for all."""
    configure_logs(get_settings(), celery_level=mlevel(loglevel) or logging.WARNING, file=logfile)


@signals.celeryd_init.connect
def _no_banner(instance: Any = None, **_: Any) -> None:
    if get_settings().log_format == "json":  # a program reads it, line by line
        instance.quiet = True


def configure_watching(role: str) -> None:
    """Traces and errors of this process and its children; `role` is worker or beat."""
    tracing.configure(get_settings(), role)
    reporting.configure(get_settings(), role)
