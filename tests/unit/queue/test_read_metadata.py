"""What is wrong with a job's metadata is said once, by name, before it runs: nothing of it is tried again."""

from __future__ import annotations

from uuid import uuid4

import pytest

from app.queue.catalog import read_metadata
from app.queue.errors import InvalidMetadata

TO = "+14155552671"


@pytest.mark.parametrize(
    ("job_type", "metadata", "said"),
    [
        ("generate_daily_brief", {}, "metadata.briefDate: is required"),
        ("generate_daily_brief", {"briefDate": "0001-01-01"}, "metadata.briefDate: expects a year from 1970 to 2999"),
        ("generate_daily_brief", {"briefDate": "2026-02-30"}, "metadata.briefDate: there is no day 2026-02-30"),
        ("schedule_daily_sms", {"date": "9999-12-31", "timezone": "UTC"}, "metadata.date: expects a year from 1970 to 2999"),
        ("send_sms", {"phone_number": "0171", "message": "x"}, f"metadata.phone_number: expects a phone number such as {TO}"),
        ("send_sms", {"phone_number": TO, "message": ""}, "metadata.message: must not be empty"),
    ],
)
def test_the_field_and_what_it_expects(job_type: str, metadata: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidMetadata) as caught:
        read_metadata(job_type, metadata, uuid4())
    assert str(caught.value) == said
