"""Which requests are written to the audit log, and what of them (CONTRACT 10): whatever changes something by the service key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, current_app, g, request
from pydantic import BaseModel

from app.identity.audit import Audit, Entry
from app.identity.caller import CallerKind
from app.web.endpoint import services

LOOKING = ("GET", "HEAD", "OPTIONS")
LONGEST_PATH = 500  # characters
# What requests name. What they carry (texts, addresses, payloads) is not for a log.
NAMED = (
    "userId", "projectId", "recipientUserId", "briefDate", "scheduledFor", "jobType", "calendarId", "channel", "eventType", "action", "filter", "dryRun", "worker",
    "forceImmediate", "forceRegenerate", "enabled", "staleThresholdHours", "oldFailedJobsDays",
)  # fmt: skip


def write_down(app: Flask) -> Audit:
    """Note every request of `app` that does something with the service key."""
    app.extensions["buildos.audit"] = audit = Audit(app.extensions["buildos"].engine)
    app.after_request(_note)
    return audit


def _note(response: Response) -> Response:
    caller = g.get("caller")
    described = getattr(current_app.view_functions.get(request.endpoint or ""), "described_as", None)
    if caller is None or caller.kind is not CallerKind.SERVICE or described is None or request.method in LOOKING:
        return response
    entry = Entry(
        services().clock.now(),
        "service key",
        request.remote_addr,
        f"{request.method} {described.path}",
        request.path[:LONGEST_PATH].replace("\x00", ""),
        response.status_code,
        _named(g.get("asked")),
    )
    current_app.extensions["buildos.audit"].note(entry, at_once=described.operator or not described.path.startswith("/queue/"))
    return response


def _named(body: BaseModel | None) -> dict[str, Any]:
    """What a checked body names; of a list of jobs their number; of what is put in the place of something else which fields, not with what."""
    if body is None:
        return {}
    found = body.model_dump(mode="json", include=set(NAMED), exclude_none=True)
    jobs = getattr(body, "jobs", None)
    if isinstance(jobs, list):
        found["jobs"] = len(jobs)
    if request.method == "PUT":
        found["changed"] = sorted(_fields(body))
    return found


def _fields(body: BaseModel, before: str = "") -> Iterator[str]:
    for name in body.model_fields_set:
        inner = getattr(body, name, None)
        if isinstance(inner, BaseModel):
            yield from _fields(inner, f"{before}{name}.")
        elif name in type(body).model_fields:  # the others are words of the caller
            yield f"{before}{name}"
