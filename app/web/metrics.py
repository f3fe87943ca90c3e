"""`GET /metrics`: the state of the queue as Prometheus reads it. Every metric is described in docs/metrics.md."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Blueprint, Response, current_app
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from app.queue.measures import Measures, Times, read_state
from app.web.endpoint import OtherReply, endpoint, reading, services

blueprint = Blueprint("metrics", __name__)


@endpoint(blueprint, "GET", "/metrics", reply=OtherReply(200, "Prometheus' text format", CONTENT_TYPE_PLAIN_0_0_4), operator=True)
def get_metrics() -> Response:
    """Jobs, times, queues, processes, adapters, alerts, connections"""
    began = time.perf_counter()
    families = _from_the_database()
    families.append(_gauge("buildos_scrape_seconds", "How long the database took to answer this scrape.", [], [((), time.perf_counter() - began)]))
    return Response(generate_latest(_Collected(families)), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Collected:
    """What `generate_latest` asks for: the families of this scrape, then what this process measures of itself."""

    def __init__(self, families: list[Metric]):
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families
        yield from current_app.extensions["buildos.instruments"].registry.collect()


def _from_the_database() -> list[Metric]:
    there = current_app.extensions["buildos.pulse"].broker.is_there()
    with reading() as conn:
        state = read_state(conn, services().settings, services().clock.now(), broker_there=there)
    loads = state.loads.items()
    connections = {"database": state.connections.open, "database_limit": state.connections.allowed, "realtime": current_app.extensions["buildos.realtime"].connections}
    return [
        _gauge("buildos_jobs", "Jobs by type and state.", ["job_type", "status"], [((r["job_type"], r["status"]), r["count"]) for r in state.stats]),
        *_job_times(state.measures),
        _gauge("buildos_dispatch_lag_seconds", "How long the oldest due job has waited for a worker; paused types are left out.", ["job_type"], [((n,), d.lag) for n, d in state.due.items()]),
        _gauge("buildos_due_jobs", "Jobs that could run now if there were slots.", ["queue"], [((q,), load.jobs) for q, load in loads]),
        _gauge("buildos_due_work_seconds", "The same in seconds of one slot, by the average run of each type: the hint for autoscaling.", ["queue"], [((q,), load.seconds) for q, load in loads]),
        _gauge("buildos_worker_slots", "Jobs that the living workers of a queue can run at once; a worker counts for each of its queues.", ["queue"], [((q,), load.slots) for q, load in loads]),
        _histogram("buildos_adapter_call_seconds", "Calls of the services outside (models, mail, text messages, pushes, calendars), and how long they took.", ["adapter", "outcome"], state.measures, "adapter_call"),
        _gauge("buildos_processes", "Processes that gave a sign of life.", ["kind"], [((k,), state.processes.count(k)) for k in ("worker", "beat")]),
        _gauge("buildos_alert", "The measure of an alert while it is raised: failures, seconds, or the number missing.", ["name"], [((a.name,), a.value) for a in state.alerts]),
        _gauge("buildos_paused", "Job types that are held back.", ["job_type"], [((name,), 1) for name in state.paused]),
        _gauge("buildos_connections", "Connections to the database, from anywhere, how many it takes, and those of browsers to this API process.", ["kind"], [((k,), n) for k, n in connections.items()]),
    ]  # fmt: skip


def _job_times(measures: Measures) -> list[Metric]:
    runs = measures.times["job_run"]
    return [
        _counter("buildos_jobs_added", "Jobs added.", _counts(measures, "job_added")),
        _histogram("buildos_job_wait_seconds", "From when a job was due, or was added if that was later, until a run of it began.", ["job_type"], measures, "job_wait"),
        _histogram("buildos_job_run_seconds", "From the beginning of a run to its end.", ["job_type", "outcome"], measures, "job_run"),
        _counter("buildos_job_failures", "Runs that failed, whether or not another attempt follows.", _runs(runs, "failed", "retrying")),
        _counter("buildos_job_retries", "Runs that failed and are tried again.", _runs(runs, "retrying")),
        _counter("buildos_job_stalls", "Runs whose worker went silent.", _runs(runs, "stalled")),
        _counter("buildos_claims_refused", "Messages whose job was not to be run: taken, cancelled, moved, paused.", _counts(measures, "claim_refused")),
    ]  # fmt: skip


def _counts(measures: Measures, metric: str) -> list[tuple[str, int]]:
    return [(subject, times.count) for (subject, _), times in measures.times[metric].items()]


def _runs(runs: dict[tuple[str, str], Times], *outcomes: str) -> list[tuple[str, int]]:
    """Runs with one of these outcomes, by type; 0 for a type that never had one, so that the first one shows as an increase."""
    names = sorted({name for name, _ in runs})
    return [(name, sum(runs[name, outcome].count for outcome in outcomes if (name, outcome) in runs)) for name in names]


def _gauge(name: str, about: str, labels: list[str], samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _counter(name: str, about: str, samples: Iterable[tuple[str, int]]) -> Metric:
    family = CounterMetricFamily(name, about, labels=["job_type"])
    for job_type, number in samples:
        family.add_metric([job_type], number)
    return family


def _histogram(name: str, about: str, labels: list[str], measures: Measures, metric: str) -> Metric:
    family = HistogramMetricFamily(name, about, labels=labels)
    for values, times in measures.times[metric].items():
        upto = itertools.accumulate(times.counts)
        buckets: list[Any] = list(zip([*map(_bound, measures.bounds), "+Inf"], upto, strict=True))
        family.add_metric(values[: len(labels)], buckets, times.seconds)
    return family


def _bound(seconds: float) -> str:
    return f"{seconds:g}"
