"""Text messages."""

from __future__ import annotations

from app.queue.models import DailySmsResult, SmsResult
from app.queue.running import RunningJob
from tasks.base import processor
from tasks.services import services


@processor("send_sms")
def send_sms(job: RunningJob) -> SmsResult:
    return services().sms.send(job)


@processor("schedule_daily_sms")
def schedule_daily_sms(job: RunningJob) -> DailySmsResult:
    return services().sms.plan_day(job)
