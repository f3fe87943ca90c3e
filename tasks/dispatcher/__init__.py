"""The threads of a worker's main process that bring jobs to it and keep them alive."""

from tasks.dispatcher.step import Dispatcher

__all__ = ["Dispatcher"]
