"""Celery's worker, which also leaves in good order when it is told to hurry."""

from __future__ import annotations

from typing import Any

from celery.apps.worker import Worker


class JobWorker(Worker):
    """A worker whose dispatcher stops first and says goodbye last, however it is shut down."""

    dispatcher: Any = None  # set by its step

    def wait_for_soft_shutdown(self) -> None:
        """Celery says that it is shutting down only after this wait. A job sent meanwhile would find nobody to take it."""
        if self.dispatcher is not None:
            self.dispatcher.stop(self)
        super().wait_for_soft_shutdown()

    def terminate(self, in_sighandler: bool = False) -> None:
        """Celery says goodbye after a warm shutdown only. After a cold one there is more to hand back."""
        super().terminate(in_sighandler)
        self._send_worker_shutdown()
