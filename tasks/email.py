"""Emails."""

from __future__ import annotations

from app.queue.models import BriefEmailResult, MessageResult
from app.queue.running import RunningJob
from tasks.base import processor
from tasks.services import services


@processor("generate_brief_email")
def generate_brief_email(job: RunningJob) -> BriefEmailResult:
    return services().email.send_brief(job)


@processor("send_email")
def send_email(job: RunningJob) -> MessageResult:
    return services().email.send_email(job)


@processor("send_notification_email")
def send_notification_email(job: RunningJob) -> MessageResult:
    return services().email.send_notification(job)
