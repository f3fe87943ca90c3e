"""The services of this process, built on first use and again after a fork: no child shares a connection with its parent."""

from __future__ import annotations

import os
import threading
from typing import Any

from app import reporting, tracing
from app.settings import get_settings
from app.wiring import Services, build

_lock = threading.Lock()
_services: Services | None = None


def services() -> Services:
    """What the tasks of this process work with."""
    global _services
    if _services is None:
        with _lock:
            if _services is None:
                _services = build(get_settings(), application_name="buildos worker")
    return _services


def leave(**_: Any) -> None:
    """The process ends: what it has counted is written, its spans and reports are sent."""
    if _services is not None:
        _services.meter.flush()
    tracing.flush()
    reporting.flush()


def _forget() -> None:
    global _services, _lock
    _lock = threading.Lock()  # the parent's may have been held at the moment of the fork
    if _services is not None:
        # The inherited sockets belong to the parent: dropped here, not closed.
        _services.engine.dispose(close=False)
        _services = None


os.register_at_fork(after_in_child=_forget)
