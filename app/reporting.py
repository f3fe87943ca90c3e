"""Errors that nobody foresaw, told to Sentry where SENTRY_DSN is set: with the job's id, without personal data (docs/watching.md)."""

from __future__ import annotations

import os
from typing import Any

from app.logs import cause, mask
from app.settings import Settings

FLUSH = 2.0  # seconds a process that ends waits for its reports to leave

_settings: Settings | None = None
_role = ""
_ready = False


def configure(settings: Settings, role: str) -> None:
    """Remember whom to tell; `role` is api, worker or beat. Nothing is imported or connected before the first error."""
    global _settings, _role, _ready
    _settings, _role, _ready = (settings if settings.sentry_dsn else None), role, False


def report(error: BaseException) -> None:
    """Tell of an exception, with the job, type and correlation id of what goes on here. Free while there is no DSN."""
    if _settings is not None:
        sentry = _sentry()
        with sentry.new_scope() as scope:
            _tag(scope)
            scope.capture_exception(error)


def tell(message: str) -> None:
    """Tell of something an operator must hear of, that is no exception."""
    if _settings is not None:
        sentry = _sentry()
        with sentry.new_scope() as scope:
            _tag(scope)
            scope.capture_message(message, level="error")


def flush() -> None:
    """Send what is waiting, for at most `FLUSH` seconds: the process is about to end."""
    if _ready:
        import sentry_sdk

        sentry_sdk.flush(FLUSH)


def _tag(scope: Any) -> None:
    # Whose job it is can be found by its id: the user leaves our house by no way.
    for name, value in cause().items():
        if name != "user":
            scope.set_tag(name, value)


def _sentry() -> Any:
    global _ready
    import sentry_sdk

    if not _ready:
        # Not one of its integrations: they patch Celery and Flask, and send along requests, variables and log lines.
        sentry_sdk.init(
            dsn=_settings.sentry_dsn.get_secret_value(),
            environment=_settings.app_env,
            default_integrations=False,
            auto_enabling_integrations=False,
            send_default_pii=False,
            include_local_variables=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            before_send=_without_personal_data,
        )
        sentry_sdk.set_tag("role", _role)
        _ready = True
    return sentry_sdk


def _without_personal_data(event: Any, _hint: Any) -> Any:
    for name in ("request", "user", "extra", "breadcrumbs"):
        event.pop(name, None)
    return _masked(event)


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items()}
    return [_masked(inner) for inner in value] if isinstance(value, list) else value


def _forget() -> None:
    global _ready
    _ready = False  # its thread is the parent's


os.register_at_fork(after_in_child=_forget)
