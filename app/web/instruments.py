"""What one API process measures of itself; everything about jobs comes from the database (`app/queue/measures.py`)."""

from __future__ import annotations

from collections.abc import Callable

from flask import Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds
LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
LIMITS = ("public", "user", "service", "stranger", "items")
disable_created_metrics()  # a line more for each count, which Prometheus does not read
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Instruments:
    """The histograms of this process. Made anew with it: Prometheus knows how to read counters that start again."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._http = Histogram(
            "buildos_http_request_seconds",
            "Requests this API process answered, and how long that took.",
            ("method", "route", "status"),
            buckets=HTTP_BUCKETS,
            registry=self.registry,
        )
        self._lag = Histogram(
            "buildos_realtime_lag_seconds",
            "From a change in the database until this API process told its browsers.",
            buckets=LAG_BUCKETS,
            registry=self.registry,
        )

        self._refused = Counter(
            "buildos_rate_limited_requests", "Requests that were refused as too many.", ("limit",), registry=self.registry
        )
        for limit in LIMITS:
            self._refused.labels(limit)
        self._limits_off = Gauge(
            "buildos_rate_limits_off", "1 while Redis is away, so that nobody is counted.", registry=self.registry
        )

    def refused(self, limit: str) -> None:
        """A request was too much for that limit."""
        self._refused.labels(limit).inc()

    def watch_limits(self, are_off: Callable[[], bool]) -> None:
        """Where to ask whether limits are off."""
        self._limits_off.set_function(lambda: float(are_off()))

    def answered(self, request: Request, response: Response, seconds: float) -> None:
        """A request was answered. What no route takes shares one label, as does a method nobody knows: both are the caller's words."""
        route = request.url_rule.rule if request.url_rule is not None else "none"
        method = request.method if request.method in METHODS else "other"
        self._http.labels(method, route, f"{response.status_code // 100}xx").observe(seconds)

    def told(self, lag: float) -> None:
        """Browsers were told of a change that many seconds after it was made."""
        self._lag.observe(max(0.0, lag))
