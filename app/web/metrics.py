"""`GET /metrics`: the state of the queue as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, Response, current_app

from app.db.connections import count_connections
from app.queue.alerts import current_alerts
from app.queue.pausing import paused_types
from app.queue.reads import process_status, queue_stats
from app.web.endpoint import OtherReply, endpoint, reading, services

blueprint = Blueprint("metrics", __name__)

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@endpoint(blueprint, "GET", "/metrics", reply=OtherReply(200, "Prometheus' text format", TEXT), operator=True)
def get_metrics() -> Response:
    """Jobs by type and state, living processes, alerts, connections"""
    there = current_app.extensions["buildos.pulse"].broker.is_there()
    with reading() as conn:
        jobs = [({"job_type": row["job_type"], "status": row["status"]}, row["count"]) for row in queue_stats(conn)]
        kinds = [row["kind"] for row in process_status(conn)]
        standing = current_alerts(conn, services().settings, now=services().clock.now(), broker_there=there)
        alerts = [({"name": alert.name}, alert.value) for alert in standing]
        paused = [({"job_type": name}, 1) for name in paused_types(conn)]
        connections = {"database": count_connections(conn), "realtime": current_app.extensions["buildos.realtime"].connections}
    text = (
        _family("buildos_jobs", "Jobs by type and state.", jobs)
        + _family("buildos_processes", "Processes that gave a sign of life.", [({"kind": k}, kinds.count(k)) for k in ("worker", "beat")])
        + _family("buildos_alert", "The measure of an alert while it is raised: failures, seconds, or the number missing.", alerts)
        + _family("buildos_paused", "Job types that are held back.", paused)
        + _family("buildos_connections", "To the database, from anywhere; browsers on this API process.", [({"kind": k}, n) for k, n in connections.items()])
    )
    return Response(text, content_type=TEXT)


def _family(name: str, about: str, samples: Iterable[tuple[dict[str, str], float]]) -> str:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        shown = ",".join(f'{key}="{text}"' for key, text in labels.items())
        lines.append(f"{name}{{{shown}}} {value}")
    return "\n".join(lines) + "\n"
