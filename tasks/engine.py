"""The Celery app and its settings."""

from __future__ import annotations

import socket
import sys
from typing import Any

from celery import Celery
from kombu import Queue
from kombu.utils.objects import cached_property

from app.db.broker import is_redis
from app.queue.catalog import JOB_TYPES, queues
from app.queue.own_types import load
from app.settings import Settings, SettingsError, get_settings
from tasks.transport import address_for, transport_for

# A peer that vanished is noticed within 25 s, not after the kernel's two hours. Named as the platform has them.
KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}
REDIS_OPTIONS = {
    "socket_timeout": 5,  # seconds; kombu's default waits for ever
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "socket_keepalive_options": KEEPALIVE,
    "health_check_interval": 5,  # how long a silent Redis is believed in
    "priority_steps": [0],  # order is Postgres' business
    "visibility_timeout": 3600,  # only messages taken and not begun are ever unacknowledged: Postgres recovers those
}
TICKS = "ticks"  # the queue of Beat's own messages, which have no row


class JobCelery(Celery):
    """Celery, except that a catalogued task is sent by adding its row: the dispatcher sends the message."""

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        if name not in JOB_TYPES:
            load(get_settings().job_modules)  # it may be one of yours, in a program that only sends
        if name in JOB_TYPES:
            if name not in self.tasks:  # a program that only sends has imported nothing yet
                self.loader.import_default_modules()
            return self.tasks[name].apply_async(args, kwargs, **options)
        return super().send_task(name, args, kwargs, **options)

    @cached_property
    def Worker(self) -> Any:
        """What `celery worker` starts."""
        return self.subclass_with_self("tasks.worker:JobWorker")

    def send_dispatch(self, name: str, kwargs: dict[str, Any], task_id: str, queue: str, producer: Any) -> None:
        """Send the message of a dispatched job to a queue that this worker has. Raises kombu's OperationalError when the broker is away."""
        super().send_task(
            name,
            kwargs=kwargs,
            task_id=task_id,
            queue=queue,  # by name: an address alone would not outweigh the route of the job's type
            declare=(),  # the worker that listens has made it
            producer=producer,
            ignore_result=True,
            retry=False,
        )


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings. Each one that differs from its default says why."""
    return {
        "broker_url": address_for(settings.broker, settings.queue_transport == "batched"),
        "broker_transport": transport_for(settings.broker, settings.queue_transport == "batched"),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker waits for Redis as long as it takes
        # Made when first used. Flower asks from many threads, each of which takes a second one: a small pool locks it up for ever.
        "broker_pool_limit": 64,
        "broker_transport_options": REDIS_OPTIONS if is_redis(settings.broker) else {},
        "result_backend": None,  # queue_jobs is the result backend
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": False,  # the row, not the message, says that a job is not done
        "task_track_started": False,
        "task_send_sent_event": settings.queue_sent_events,
        # The runway bounds what is on its way to a worker; Celery need not count a second time.
        "worker_prefetch_multiplier": 0,
        "worker_max_tasks_per_child": 50_000,
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # a Redis blip must not kill work
        "worker_soft_shutdown_timeout": settings.queue_drain_timeout,
        "worker_enable_soft_shutdown_on_idle": False,
        "worker_hijack_root_logger": True,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": False,
        "task_default_queue": TICKS,
        "task_create_missing_queues": False,
        **routing(),
        "timezone": "UTC",
        "enable_utc": True,
        "beat_scheduler": "tasks.beat:TickScheduler",
        "imports": (
            "tasks.braindump",
            "tasks.briefs",
            "tasks.calendar",
            "tasks.email",
            "tasks.notifications",
            "tasks.onboarding",
            "tasks.phases",
            "tasks.sms",
            "tasks.ticks",
            "tasks.upkeep",
            "tasks.jobs",  # the last: JOB_MODULES, which may take the place of ours, and what is left
        ),
    }


def routing() -> dict[str, Any]:
    """Which queues there are, and which type's messages go where, as the catalog has it now."""
    return {
        "task_queues": [Queue(name) for name in (*queues(), TICKS)],
        "task_routes": {job_type.name: {"queue": job_type.queue} for job_type in JOB_TYPES.values()},
    }


def _settings() -> Settings:
    try:
        return get_settings()
    except SettingsError as error:
        sys.exit(f"buildos: {error}")


celery = JobCelery("buildos", events="tasks.events:GatheringEvents")
celery.conf.update(configuration(_settings()))
