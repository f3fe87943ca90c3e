"""One decorator for every endpoint: who may call, what comes in, what goes out, which errors. OpenAPI reads the same lines."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from sqlalchemy import Connection

from app.db.acting import acting_as, is_acting
from app.db.looking import again_if_dead
from app.formats.faults import say
from app.identity.caller import Caller
from app.identity.keys import KeysAway
from app.identity.tokens import NotAuthenticated, bearer_token, identify
from app.identity.users import parse_user_id
from app.logs import USER
from app.web.errors import ApiError

MAX_BODY = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class OtherReply:
    """A reply that is no JSON: its status, its media type where it has a body, what it is."""

    status: int
    description: str
    media: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is known of an endpoint beside its code."""

    method: str
    path: str
    summary: str
    tag: str
    reply: type[BaseModel] | OtherReply
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    errors: tuple[int, ...]
    public: bool
    operator: bool


def endpoint(
    blueprint: Blueprint,
    method: str,
    path: str,
    *,
    reply: type[BaseModel] | OtherReply,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    errors: tuple[int, ...] = (),
    public: bool = False,
    operator: bool = False,
    gate: Callable[[], None] | None = None,
    largest: int = MAX_BODY,
) -> Callable:
    """Register a view. It gets the path's parts, and `body` and `query` as checked models. The first line of its docstring
    is its summary.

    It returns a `reply`, maybe with a status; or the same as a dict, for rows: whatever a SQL client put into a JSON column
    is shown as it is, and never a reason for a 500; or a whole response. `gate` is called before the body is read as JSON: it
    raises for callers that must not get so far, and may read the raw body (kept for what follows). `largest` (bytes) is for
    a view that reads its body itself.
    """

    def decorate(view: Callable) -> Callable:
        summary = (view.__doc__ or "").strip().split("\n")[0]

        @functools.wraps(view)
        def run(**parts: str) -> Response:
            _admit(public, operator)
            if gate is not None:
                gate()
            if body is not None:
                parts["body"] = g.asked = read_body(body)
            if query is not None:
                parts["query"] = read_query(query)
            _note_user(parts)
            with acting_as(None if public else g.caller.user_id):
                answer = _seen(view, parts)
            return _reply(*answer) if isinstance(answer, tuple) else _reply(answer)

        run.largest_body = largest
        run.described_as = Endpoint(method, path, summary, blueprint.name, reply, body, query, errors, public, operator)
        name = f"{method.lower()}_{path}".replace("/", "_").replace("<", "").replace(">", "").replace(".", "_")
        blueprint.add_url_rule(path, endpoint=name, view_func=run, methods=[method], strict_slashes=False)
        return view

    return decorate


def _seen(view: Callable, parts: dict[str, Any]) -> Any:
    """What the view answers. Who only looks does not hear of a connection that died in the pool: he is given another."""
    if request.method != "GET":
        return view(**parts)
    return again_if_dead(lambda: view(**parts))


def _note_user(parts: dict[str, Any]) -> None:
    """Whom the lines of this request are about: the caller, or where he names somebody, that user."""
    user = g.caller.user_id or parse_user_id(str(parts.get("user_id") or getattr(parts.get("body"), "userId", "")))
    USER.set(str(user) if user else None)
    g.job = parts.get("job_id")


def services() -> Any:
    """The `Services` the app was built with."""
    return current_app.extensions["buildos"]


def reading() -> Connection:
    """A connection for looking alone, to be used as a context: each statement stands for itself, so that a look is one round trip
    and not three. A user's own look is a transaction, as it has the user's rights."""
    if is_acting():
        return services().engine.execution_options(reading=True).connect()
    return services().engine.execution_options(isolation_level="AUTOCOMMIT").connect()


def caller() -> Caller:
    """Who is calling, as found before the view ran."""
    return g.caller


def identified() -> Caller:
    """Who is calling, by what the request shows, found once. Raises NotAuthenticated or KeysAway for a token that is not good."""
    if "caller" not in g:
        g.caller = identify(services().settings, bearer_token(request.headers.get("Authorization")))
    return g.caller


def _admit(public: bool, operator: bool) -> None:
    try:
        identified()
    except (NotAuthenticated, KeysAway):
        if not public:
            raise
        g.caller = identify(services().settings, None)
    if public:
        return
    if not g.caller.is_known:
        raise NotAuthenticated("A key or token is needed")
    if operator and not g.caller.is_operator:
        raise ApiError(403, "Only the service key may do this")


def read_body(model: type[BaseModel]) -> Any:
    """The JSON body as `model`. Raises ApiError 400, 413 or 415."""
    raw = request.get_data(cache=False)
    if len(raw) > MAX_BODY:
        raise ApiError(413, "The body is larger than 1 MB")
    if not raw:
        return _checked(model, {})
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise ApiError(415, "Content-Type must be application/json")
    try:
        value = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise ApiError(400, f"The body is not valid JSON: {error}", "invalid_json") from None
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object", "invalid_json")
    return _checked(model, value)


def read_query(model: type[BaseModel]) -> Any:
    """The query string as `model`, each parameter at most once. Raises ApiError 400."""
    values = request.args.to_dict(flat=False)
    repeated = next((name for name in model.model_fields if len(values.get(name, ())) > 1), None)
    if repeated:
        raise ApiError(
            400, f"{repeated}: given more than once", details=[{"field": repeated, "message": "given more than once"}]
        )
    return _checked(model, {name: found[0] for name, found in values.items()})


def _checked(model: type[BaseModel], value: dict) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = [
            {"field": ".".join(str(part) for part in item["loc"]) or "body", "message": say(item)}
            for item in error.errors(include_url=False)[:20]
        ]
        message = "; ".join(f"{item['field']}: {item['message']}" for item in details[:3])
        raise ApiError(400, message, details=details) from None


def _reply(answer: BaseModel | dict[str, Any] | Response, status: int = 200) -> Response:
    if isinstance(answer, Response):
        return answer
    g.job = (answer.get("jobId") if isinstance(answer, dict) else getattr(answer, "jobId", None)) or g.get("job")
    response = jsonify(answer.model_dump(mode="json", by_alias=True) if isinstance(answer, BaseModel) else answer)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
