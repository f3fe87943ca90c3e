"""What new users told."""

from __future__ import annotations

from app.queue.models import OnboardingResult
from app.queue.running import RunningJob
from tasks.base import processor
from tasks.services import services


@processor("onboarding_analysis")
def onboarding_analysis(job: RunningJob) -> OnboardingResult:
    return services().onboarding.analyse(job)
