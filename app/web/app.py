"""The Flask application: blueprints, errors, the gate for origins, Socket.IO."""

from __future__ import annotations

import time
from functools import partial
from typing import Any
from urllib.parse import quote

import structlog
from flask import Flask, Response, current_app, g, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

from app import reporting, tracing
from app.db.acting import let_act
from app.db.engine import make_engine
from app.features.braindump.repository import dumps_by_id
from app.features.briefs.reads import briefs_by_id
from app.features.notifications.inbox import notifications_by_id
from app.features.onboarding.reads import analyses_by_id
from app.features.phases.reads import phases_by_id
from app.features.sms.reads import messages_by_id
from app.logs import TRACEPARENT, USER
from app.queue.reads import find_jobs
from app.realtime.feed import Feed
from app.realtime.presence import connections_by_id
from app.realtime.server import attach_realtime
from app.web import (
    access,
    braindumps,
    bulk,
    calendar,
    calendar_files,
    console_files,
    email,
    figures,
    health,
    job_list,
    job_types,
    jobs,
    mail,
    many,
    metrics,
    notifications,
    onboarding,
    pages,
    pausing,
    phases,
    preferences,
    queue,
    schedules,
    sms,
    upkeep,
    users,
    workers,
)
from app.web.auditing import write_down
from app.web.cors import OriginGate
from app.web.endpoint import MAX_BODY
from app.web.errors import ApiError, register_errors
from app.web.instruments import Instruments
from app.web.limits import HandshakeGate, limit_rates, may_ask

log = structlog.get_logger("http")


FEED_CONNECTIONS = 3
PROBES = ("/health", "/metrics")  # asked every few seconds: nobody follows those
BLUEPRINTS = (
    health,
    metrics,
    queue,
    bulk,
    braindumps,
    job_list,
    jobs,
    job_types,
    users,
    preferences,
    notifications,
    email,
    sms,
    phases,
    onboarding,
    calendar_files,
    calendar,
    many,
    pausing,
    schedules,
    upkeep,
    figures,
    workers,
    mail,
    access,
    pages,
    console_files,
)  # in the order of the API's description


class _Json(DefaultJSONProvider):
    sort_keys = False
    ensure_ascii = False


def create_app(services: Any) -> Flask:
    """The API on `services` (engine, clock, settings). Nothing connects before the first request."""
    app = Flask("app.web")
    app.json = _Json(app)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY + 1  # a body of unknown length is cut here, and then too long
    app.extensions["buildos"] = services
    tracing.configure(services.settings, "api")
    reporting.configure(services.settings, "api")
    let_act(services.engine)
    app.extensions["buildos.pulse"] = health.Pulse(services.settings.broker)
    app.extensions["buildos.instruments"] = Instruments()
    for module in BLUEPRINTS:
        app.register_blueprint(module.blueprint)
    register_errors(app)
    app.before_request(_begin)
    limit_rates(app, services.settings)
    write_down(app)
    app.after_request(_log)
    # Connections of its own: a crowd that comes back at once must not keep requests waiting, nor the other way round.
    feed_engine = make_engine(services.settings, application_name="buildos feed", pool_size=FEED_CONNECTIONS)
    feed = Feed(feed_engine, services.settings.listen_url, TABLES, app.extensions["buildos.instruments"].told)
    attach_realtime(app, services.engine, services.settings, feed, partial(may_ask, app))
    app.wsgi_app = HandshakeGate(app.wsgi_app, app)
    # Outermost, so that it stands before Socket.IO as well.
    app.wsgi_app = OriginGate(app.wsgi_app, services.settings)
    if hops := services.settings.trusted_proxies:
        # Each proxy adds to the addresses; the scheme is one word, which the first one says and the others pass on.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=1)
    return app


# How the feed reads the current rows of a table: documented columns only, by id.
TABLES = {
    "queue_jobs": lambda conn, ids: {job_id: job.as_api() for job_id, job in find_jobs(conn, ids).items()},
    "daily_briefs": briefs_by_id,
    "brain_dumps": dumps_by_id,
    "sms_messages": messages_by_id,
    "notifications": notifications_by_id,
    "phases": phases_by_id,
    "onboarding_analysis": analyses_by_id,
    "realtime_connections": connections_by_id,
}


def _begin() -> None:
    g.began = time.perf_counter()
    USER.set(None)
    tracing.begin_request(request.headers.get("traceparent"))
    route = request.url_rule.rule if request.url_rule is not None else "none"
    name = {"http.request.method": request.method, "http.route": route}
    g.span = None if route in PROBES else tracing.start(f"{request.method} {route}", "server", TRACEPARENT.get(), **name)
    if g.span is not None:
        TRACEPARENT.set(g.span[1])
    largest = getattr(current_app.view_functions.get(request.endpoint or ""), "largest_body", MAX_BODY)
    request.max_content_length = largest + 1
    if (request.content_length or 0) > largest:
        raise ApiError(413, f"The body is larger than {largest // MAX_BODY} MB")


def _on_one_line(path: str) -> str:
    # As it came over the wire where it is no plain text: a path must not make a line of its own, nor colour the reader's terminal.
    return "".join(
        char if char.isprintable() and char != " " else quote(char, safe="", errors="replace") for char in path
    )


def _log(response: Response) -> Response:
    seconds = time.perf_counter() - g.get("began", time.perf_counter())
    current_app.extensions["buildos.instruments"].answered(request, response, seconds)
    quiet = request.path == "/health" and response.status_code == 200  # probes ask every few seconds
    write = log.warning if response.status_code >= 500 else log.debug if quiet else log.info
    about = {"job": _on_one_line(str(g.job)[:200])} if g.get("job") else {}
    write(f"{request.method} {_on_one_line(request.path[:200])}", status=response.status_code, ms=round(seconds * 1000, 1), **about)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if (span := g.get("span")) is not None:
        failed = f"status {response.status_code}" if response.status_code >= 500 else None
        tracing.end(span[0], failed, **{"http.response.status_code": response.status_code})
    return response
