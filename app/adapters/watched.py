"""Every call of a service outside is counted and timed and stands in the trace, whichever adapter makes it."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from app import tracing
from app.db.meters import Meter

T = TypeVar("T")


class Watched:
    """An adapter as it is, except that those of its methods which call out are noted as `adapter_call` (docs/metrics.md)."""

    def __init__(self, adapter: Any, name: str, calls: Collection[str], meter: Meter):
        self._adapter, self._name, self._calls, self._meter = adapter, name, frozenset(calls), meter

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._adapter, name)
        if name not in self._calls:
            return value
        noted = self._noted_stream if inspect.isgeneratorfunction(value) else self._noted
        return functools.wraps(value)(functools.partial(noted, value))

    def _noted(self, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        with self._call(method.__name__):
            return method(*args, **kwargs)

    def _noted_stream(self, method: Callable[..., Iterator[T]], *args: Any, **kwargs: Any) -> Iterator[T]:
        with self._call(method.__name__):
            yield from method(*args, **kwargs)

    @contextmanager
    def _call(self, method: str) -> Iterator[None]:
        began = time.perf_counter()
        outcome = "ok"
        try:
            with tracing.span(f"{self._name} {method}", "client", **{"peer.service": self._name}):
                yield
        except Exception as error:
            # Where nothing is set up nobody was called.
            outcome = "error" if getattr(error, "configured", True) else ""
            raise
        finally:
            if outcome:
                self._meter.see("adapter_call", self._name, outcome, time.perf_counter() - began)


GOOGLE_CALLS = ("exchange", "refresh", "revoke", "calendar", "changes", "event", "insert", "patch", "delete", "watch", "stop")


def watched(adapter: T, name: str, calls: Collection[str], meter: Meter) -> T:
    """`adapter`, whose methods `calls` are noted under `name`. What they raise passes through."""
    return Watched(adapter, name, calls, meter)  # type: ignore[return-value]
