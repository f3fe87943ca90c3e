"""Which function does which type of job."""

from __future__ import annotations

from app.queue.catalog import JOB_TYPES
from tasks.base import processor, refuse
from tasks.engine import celery

for _name in JOB_TYPES:
    if _name not in celery.tasks:
        processor(_name)(refuse(_name))
