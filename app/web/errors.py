"""Every error leaves as `{"error", "code", "details"?}` with the right status, never as a stack trace (CONTRACT 5)."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Flask, Response, jsonify
from psycopg import errors as pg
from sqlalchemy import exc as sql
from werkzeug.exceptions import HTTPException

from app import reporting
from app.db.commit import OutcomeUnknown
from app.identity.keys import KeysAway
from app.identity.tokens import NotAuthenticated
from app.queue.errors import InvalidMetadata, UnknownUser, WrongState

log = structlog.get_logger("api")

DEFAULT_CODES = {
    400: "invalid_input",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    503: "unavailable",
}


class ApiError(Exception):
    """An answer other than success. `code` is for programs, `message` for people; `retry_after` in seconds."""

    def __init__(
        self, status: int, message: str, code: str | None = None, details: Any = None, *, retry_after: int | None = None
    ):
        super().__init__(message)
        self.status, self.message, self.details, self.retry_after = status, message, details, retry_after
        self.code = code or DEFAULT_CODES.get(status, "error")


def invalid(field: str, message: str) -> ApiError:
    """A 400 that names the field."""
    return ApiError(400, f"{field}: {message}", details=[{"field": field, "message": message}])


def not_found(what: str) -> ApiError:
    """A 404 in the documented words: `User not found`, `Job not found`."""
    return ApiError(404, f"{what} not found")


def error_response(
    status: int, message: str, code: str | None = None, details: Any = None, retry_after: int | None = None
) -> Response:
    """The one shape of an error; `retry_after` in seconds."""
    body = {"error": message, "code": code or DEFAULT_CODES.get(status, "error")}
    if details is not None:
        body["details"] = details
    response = jsonify(body)
    response.status_code = status
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def register_errors(app: Flask) -> None:
    """Answer whatever is raised while a request is handled."""
    app.register_error_handler(ApiError, lambda e: error_response(e.status, e.message, e.code, e.details, e.retry_after))
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(NotAuthenticated, _not_authenticated)
    app.register_error_handler(KeysAway, lambda e: _unavailable(str(e), "keys_unavailable"))
    app.register_error_handler(
        InvalidMetadata,
        lambda e: error_response(400, f"{e.field}: {e.message}", details=[{"field": e.field, "message": e.message}]),
    )
    app.register_error_handler(UnknownUser, lambda e: error_response(404, "User not found"))
    app.register_error_handler(WrongState, lambda e: error_response(409, str(e), "wrong_state"))
    app.register_error_handler(OutcomeUnknown, _outcome_unknown)
    app.register_error_handler(sql.SQLAlchemyError, _database)
    app.register_error_handler(Exception, _unforeseen)


def _not_authenticated(error: NotAuthenticated) -> Response:
    response = error_response(401, str(error))
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:  # a redirect
        return error.get_response()
    response = error_response(status, error.name)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _database(error: sql.SQLAlchemyError) -> Response:
    cause = getattr(error, "orig", None)
    if isinstance(cause, pg.DataError):
        log.warning("value refused by the database", error=str(cause).splitlines()[0])
        return error_response(400, "A value is outside what can be stored")
    if isinstance(cause, pg.InsufficientPrivilege):
        # Row-level security stopped what a check of ours should have: nobody saw anything, but it is for us to mend.
        log.error("the database refused a right", error=str(cause).splitlines()[0])
        return error_response(403, "The database does not allow this")
    if isinstance(cause, pg.UndefinedTable | pg.UndefinedFunction | pg.UndefinedColumn):
        log.error("the database is not migrated", error=str(cause).splitlines()[0])
        return _unavailable("The database is not migrated; run: buildos migrate")
    if isinstance(error, sql.TimeoutError):
        log.warning("no free database connection")
        return _unavailable("The database is busy")
    if isinstance(error, sql.OperationalError | sql.InterfaceError) or getattr(error, "connection_invalidated", False):
        log.warning("database away", error=type(cause or error).__name__)
        return _unavailable("The database is away")
    return _unforeseen(error)


def _unavailable(message: str, code: str = "database_unavailable") -> Response:
    return error_response(503, message, code, retry_after=2)


def _outcome_unknown(error: OutcomeUnknown) -> Response:
    """Not a 503, which promises that nothing was done."""
    log.error("commit lost", error=str(error))
    return error_response(504, "Whether this was done is not known; ask again", "outcome_unknown")


def _unforeseen(error: Exception) -> Response:
    log.error("request failed", exc_info=error)
    reporting.report(error)
    return error_response(500, "Something went wrong on our side", "internal_error")
