"""Where traces and errors go, on this machine: an OTLP collector and a Sentry, each speaking its real protocol.

with Otlp() as otlp, Sentry() as sentry:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, "SENTRY_DSN": sentry.dsn}
"""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class _Server:
    """Takes every POST and hands path, headers and body on."""

    def __enter__(self) -> Self:
        taken = self.take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                taken(self.path, self.headers, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """host:port"""
        return f"127.0.0.1:{self._server.server_port}"

    def take(self, path: str, headers: Any, body: bytes) -> None:
        """Somebody posted this."""
        raise NotImplementedError


@dataclass(frozen=True)
class Span:
    """A span as it came; ids in hex."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    failed: str | None


@dataclass
class Otlp(_Server):
    """An OpenTelemetry collector. `spans` in the order in which they came."""

    spans: list[Span] = field(default_factory=list)

    @property
    def url(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://{self.address}"

    def of(self, trace: str) -> dict[str, Span]:
        """The spans of a trace by their names."""
        return {span.name: span for span in list(self.spans) if span.trace == trace}

    def take(self, path: str, headers: Any, body: bytes) -> None:
        assert path == "/v1/traces" and headers["Content-Type"] == "application/x-protobuf"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _values(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Span(
                            service, span.name, span.kind, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
                            _values(span.attributes), span.status.message if span.status.code == 2 else None,
                        )
                    )  # fmt: skip


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@dataclass
class Sentry(_Server):
    """A Sentry. `events` are the bodies of those that came, `raw` everything as text."""

    events: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        """For SENTRY_DSN."""
        return f"http://public@{self.address}/7"

    def take(self, path: str, headers: Any, body: bytes) -> None:
        assert path == "/api/7/envelope/" and "sentry_key=public" in headers["X-Sentry-Auth"]
        self.raw.append(body.decode())
        lines = body.split(b"\n")
        for head, item in zip(lines[1::2], lines[2::2], strict=False):
            if head and json.loads(head)["type"] == "event":
                self.events.append(json.loads(item))
