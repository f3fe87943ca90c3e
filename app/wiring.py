"""Settings → engine, adapters, services: the one place that knows the real implementations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from app.adapters.llm_openai import ChainLLM
from app.db.engine import make_engine
from app.features.briefs.service import BriefService
from app.features.calendar.service import ensure_expanded
from app.ports.clock import Clock, SystemClock
from app.ports.llm import LLM
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
    briefs: BriefService
    failure_notes: dict[str, FailureNote] = field(default_factory=dict)


def build(
    settings: Settings,
    *,
    application_name: str = "buildos",
    engine: Engine | None = None,
    clock: Clock | None = None,
    llm: LLM | None = None,
) -> Services:
    """The services of this process, on the real adapters where none is passed. Nothing connects before its first use."""
    engine = engine or make_engine(settings, application_name=application_name)
    clock = clock or SystemClock()
    briefs = BriefService(engine, clock, llm or ChainLLM(settings), expand_calendar=ensure_expanded)
    return Services(settings, engine, clock, briefs, failure_notes={"generate_daily_brief": _brief_note(briefs)})


def _brief_note(briefs: BriefService) -> FailureNote:
    def note(conn: Connection, held: Claim, message: str, final: bool) -> None:
        briefs.failed(conn, job_id=held.id, user_id=held.user_id, metadata=held.metadata, error=message, final=final)

    return note
