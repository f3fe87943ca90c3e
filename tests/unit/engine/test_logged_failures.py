"""What a worker's log says of a job that failed."""

from __future__ import annotations

import logging

import pytest
from celery.app.task import Context
from celery.app.trace import TraceInfo
from celery.states import FAILURE

from app.queue.errors import InvalidMetadata, PermanentError, TransientError
from tasks.base import JobTask


class Job(JobTask):
    name = "send_sms"


def logged(error: Exception, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    request = Context({"id": "j1", "args": (), "kwargs": {}})
    try:
        raise error
    except type(error) as raised:
        with caplog.at_level(logging.INFO, "celery.app.trace"):
            TraceInfo(FAILURE, raised).handle_error_state(Job(), request, eager=True)
    return next(record for record in caplog.records if record.name == "celery.app.trace")


@pytest.mark.parametrize(
    "error", [PermanentError("SMS not configured"), TransientError("the feed gave no answer"), InvalidMetadata("to", "is missing")], ids=repr
)  # fmt: skip
def test_a_failure_that_says_why_is_one_line(caplog, error):
    line = logged(error, caplog)
    assert (line.exc_info, str(error) in line.getMessage()) == (None, True)


def test_what_nobody_foresaw_has_its_traceback(caplog):
    line = logged(KeyError("oops"), caplog)
    assert (line.levelname, bool(line.exc_info)) == ("ERROR", True)
