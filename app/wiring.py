"""Settings → engine, adapters, services: the one place that knows the real implementations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from app.db.engine import make_engine
from app.ports.clock import Clock, SystemClock
from app.queue.claims import Claim
from app.settings import Settings

FailureNote = Callable[[Connection, Claim, str, bool], None]


@dataclass
class Services:
    """What a process works with. Tests pass their own parts the same way.

    `failure_notes`: by job type, what a feature notes in the transaction that records a failure: (conn, claim, message, final).
    """

    settings: Settings
    engine: Engine
    clock: Clock
    failure_notes: dict[str, FailureNote] = field(default_factory=dict)


def build(settings: Settings, *, application_name: str = "buildos", clock: Clock | None = None) -> Services:
    """The services of this process, on the real adapters. Nothing connects before its first use."""
    return Services(settings=settings, engine=make_engine(settings, application_name=application_name), clock=clock or SystemClock())
