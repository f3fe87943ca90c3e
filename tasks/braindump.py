"""Brain dumps."""

from __future__ import annotations

from app.queue.models import BrainDumpResult
from app.queue.running import RunningJob
from tasks.base import processor
from tasks.services import services


@processor("process_brain_dump")
def process_brain_dump(job: RunningJob) -> BrainDumpResult:
    return services().brain_dumps.process(job)
