"""The Celery side: what makes a job run.

    celery -A tasks worker     runs jobs; dispatcher and heartbeat live in its main process
    celery -A tasks beat       fires the schedules
    celery -A tasks flower     watches

`engine` holds the Celery app, `base` the task every job runs as, `mirror` the signal handlers that keep `queue_jobs` equal to
what Celery does, `dispatcher/` the threads of a worker's main process, and one thin module a feature names its processors.
"""

import sys
from typing import Any

from celery import signals

from app.identity.secrets import check_secrets
from app.settings import SettingsError, get_settings
from tasks import watching
from tasks.engine import celery

__all__ = ["celery"]


@signals.import_modules.connect
def _install(**_: Any) -> None:
    """When a worker or a beat starts: what a mere client of the app does without."""
    from beat_schedule import BEAT_SCHEDULE
    from tasks import mirror
    from tasks.dispatcher import Dispatcher

    try:
        check_secrets(get_settings(), serving=False)
    except SettingsError as error:
        sys.exit(f"buildos: {error}")
    celery.conf.beat_schedule = BEAT_SCHEDULE
    watching.configure_watching("worker")
    celery.steps["worker"].add(Dispatcher)
    mirror.connect()
