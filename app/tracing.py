"""One trace for one request: from HTTP through dispatch and worker to the service outside (docs/watching.md).

Its place is a W3C `traceparent`, which a job keeps in its row. Where no OTEL_* variable asks for traces nothing of OpenTelemetry is
imported; the trace id is still made, as the correlation id of the logs.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.logs import TRACEPARENT, current_traceparent
from app.settings import Settings

FLUSH = 2000  # ms a process that ends waits for its spans to leave
_HEADER = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)

_settings: Settings | None = None
_role = ""
_provider: Any = None


def configure(settings: Settings, role: str) -> None:
    """Remember where traces go; `role` is api, worker or beat. Nothing is imported or connected before the first span."""
    global _settings, _role
    _settings, _role = (settings if settings.traces_address else None), role


def on() -> bool:
    """Whether spans are made in this process."""
    return _settings is not None


def begin_request(header: str | None) -> None:
    """Join the trace of a caller who names one in his `traceparent` header, or begin one. A new one is sampled by the SDK alone."""
    known = header.strip().lower() if header else ""
    if _HEADER.fullmatch(known):
        TRACEPARENT.set(known)
    else:
        TRACEPARENT.set(None if on() else f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00")


def start(name: str, kind: str, parent: str | None, **attributes: Any) -> tuple[Any, str] | None:
    """A span and its traceparent; None while traces are off. `kind` is server, producer, consumer, client or internal. End it by `end`."""
    if _settings is None:
        return None
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": parent} if parent else {})
    span = _tracer().start_span(name, context=context, kind=SpanKind[kind.upper()], attributes={k: v for k, v in attributes.items() if v is not None})
    ids = span.get_span_context()
    return span, f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{ids.trace_flags:02x}"


def end(span: Any, error: str | None = None, **attributes: Any) -> None:
    """End a span, as failed where `error` says why. Never with the text of an exception: it may hold anything."""
    span.set_attributes(attributes)
    if error is not None:
        from opentelemetry.trace import StatusCode

        span.set_status(StatusCode.ERROR, error)
    span.end()


@contextmanager
def span(name: str, kind: str = "internal", **attributes: Any) -> Iterator[None]:
    """A span around the block; what is done inside belongs to it. An exception makes it a failed one and passes through."""
    started = start(name, kind, current_traceparent(), **attributes)
    if started is None:
        yield
        return
    token = TRACEPARENT.set(started[1])
    failed = None
    try:
        yield
    except BaseException as error:
        failed = type(error).__name__
        raise
    finally:
        TRACEPARENT.reset(token)
        end(started[0], failed)


def flush() -> None:
    """Send what is waiting, for at most `FLUSH` ms: the process is about to end."""
    if _provider is not None:
        _provider.force_flush(FLUSH)


def _tracer() -> Any:
    global _provider
    if _provider is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        named = {"service.name": f"{_settings.otel_service_name}-{_role}", "service.instance.id": f"{socket.gethostname()}:{os.getpid()}"}
        _provider = TracerProvider(resource=Resource.create(named))  # the sampler is that of OTEL_TRACES_SAMPLER
        _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=_settings.traces_address)))
    return _provider.get_tracer("buildos")


def _forget() -> None:
    global _provider
    _provider = None  # its thread and its connection are the parent's


os.register_at_fork(after_in_child=_forget)
