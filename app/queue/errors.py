"""What can go wrong with a job, and whether trying again may help (CONTRACT 2)."""

from __future__ import annotations

from pydantic import ValidationError
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

NEWER_RELEASE = 15.0  # seconds after which a job that only a newer release understands is offered again


class PermanentError(Exception):
    """Trying again cannot help: unknown user, wrong metadata, a refused permission, an invalid phone number."""


class TransientError(Exception):
    """Trying again may help: a time-out, a 429, a provider that is down for the moment."""


class InvalidMetadata(PermanentError):
    """Metadata that does not fit its type's model. `field` names the first field that is wrong."""

    def __init__(self, field: str, message: str):
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class UnknownUser(PermanentError):
    """There is no user with that id."""


class WrongState(Exception):
    """The job's state does not allow what was asked. `status` is the state it has."""

    def __init__(self, message: str, status: str):
        super().__init__(message)
        self.status = status


class PutOff(Exception):
    """Not now, and nobody's fault: the job goes back to `pending`, uncharged, and is due again after `seconds`."""

    def __init__(self, message: str, seconds: float):
        super().__init__(message)
        self.seconds = seconds


class NewerMetadata(PutOff):
    """Metadata of a version that this release does not know yet: a worker of the newer release will take the job."""

    def __init__(self, version: int, known: int):
        super().__init__(f"its metadata is of version {version}, this worker's release knows {known}", NEWER_RELEASE)


class LeaseLost(BaseException):
    """This run no longer owns its job: it was cancelled, or taken back after a stall.

    A BaseException, so that no `except Exception` in a feature keeps a run alive that must stop.
    """


def is_retryable(error: BaseException) -> bool:
    """Whether a job that ended with `error` is worth another attempt. Anything unforeseen is."""
    return not isinstance(error, (PermanentError, ValidationError, PermissionError, DataError, IntegrityError, ProgrammingError))


def describe(error: BaseException) -> str:
    """`error` as the one line kept in `error_message`: at most 2000 characters, without NUL or half characters, never empty."""
    text = " ".join(str(error).split()).replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(error, (PermanentError, TransientError)) and text:
        return text[:2000]
    return f"{type(error).__name__}: {text}".removesuffix(": ")[:2000]
