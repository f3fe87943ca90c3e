"""Daily briefs."""

from __future__ import annotations

from app.queue.models import DailyBriefResult
from app.queue.running import RunningJob
from tasks.base import processor
from tasks.services import services


@processor("generate_daily_brief")
def generate_daily_brief(job: RunningJob) -> DailyBriefResult:
    return services().briefs.generate(job)
