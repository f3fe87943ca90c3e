"""Phases of projects."""

from __future__ import annotations

from app.queue.models import PhasesResult
from app.queue.running import RunningJob
from tasks.base import processor
from tasks.services import services


@processor("generate_phases")
def generate_phases(job: RunningJob) -> PhasesResult:
    return services().phases.generate(job)
