"""Notifications."""

from __future__ import annotations

from app.queue.notification_events import NotificationResult
from app.queue.running import RunningJob
from tasks.base import processor
from tasks.services import services


@processor("send_notification")
def send_notification(job: RunningJob) -> NotificationResult:
    return services().notifications.send(job)
