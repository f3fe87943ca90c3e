"""Which function does which type of job, where our own modules do not say it: JOB_MODULES, and a refusal for a type that has none."""

from __future__ import annotations

import sys

from app.queue.catalog import JOB_TYPES
from app.queue.own_types import load
from app.settings import SettingsError, get_settings
from tasks.base import processor, refuse
from tasks.engine import celery, routing

try:
    load(get_settings().job_modules)
except SettingsError as error:
    sys.exit(f"buildos: {error}")
for _type in JOB_TYPES.values():
    if _type.name not in celery.tasks:
        processor(_type.name)(_type.run or refuse(_type.name))
celery.conf.update(routing())
