"""Metadata of older and newer releases (docs/upgrading.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.jobs import InvalidMetadata, JobMetadata, PutOff, RunningJob, job_type
from app.queue.adding import check_job
from app.queue.catalog import find_type, read_metadata
from app.queue.errors import NewerMetadata
from tests.support.own_types import only_ours_afterwards


class Greeting(JobMetadata):
    names: list[str]
    loud: bool


def to_2(old: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had one name."""
    return {"names": [old.pop("name")], **old}


def to_3(old: dict[str, Any]) -> dict[str, Any]:
    """Version 2 wrote `volume`, 0 to 10."""
    return {"loud": old.pop("volume", 0) > 5, **old}


@pytest.fixture(autouse=True)
def greeting() -> Iterator[None]:
    with only_ours_afterwards():

        @job_type("greet_them", needs_user=False, upcasts=(to_2, to_3))
        def greet_them(job: RunningJob[Greeting]) -> None: ...

        yield


@pytest.mark.parametrize(
    "stored",
    [
        {"name": "Ada", "volume": 9},
        {"name": "Ada", "volume": 9, "metadataVersion": 1},
        {"names": ["Ada"], "volume": 9, "metadataVersion": 2},
        {"names": ["Ada"], "loud": True, "metadataVersion": 3},
    ],
    ids=["no version", "1", "2", "3"],
)
def test_every_older_shape_is_read_as_the_present_one(stored: dict[str, Any]) -> None:
    as_stored = dict(stored)
    read = read_metadata("greet_them", stored, None)
    assert isinstance(read, Greeting) and (read.names, read.loud, read.metadataVersion) == (["Ada"], True, 3)
    assert stored == as_stored and find_type("greet_them").version == 3
    check_job("greet_them", None, stored, None)  # and a caller who speaks it is understood


def test_a_newer_shape_is_put_off_and_never_added_here() -> None:
    newer = {"people": ["Ada"], "metadataVersion": 4}
    with pytest.raises(NewerMetadata, match="version 4, this worker's release knows 3") as raised:
        read_metadata("greet_them", newer, None)
    assert isinstance(raised.value, PutOff) and raised.value.seconds > 0
    with pytest.raises(InvalidMetadata, match="metadata.metadataVersion: is newer"):
        check_job("greet_them", None, newer, None)


@pytest.mark.parametrize("version", [0, -1, "1", 1.0, None, True], ids=repr)
def test_what_is_no_version_is_refused(version: Any) -> None:
    with pytest.raises(InvalidMetadata, match="metadataVersion"):
        read_metadata("greet_them", {"name": "Ada", "metadataVersion": version}, None)


@pytest.mark.parametrize("stored", [{}, {"name": "Ada", "volume": "high"}], ids=["missing", "of the wrong type"])
def test_an_older_shape_that_is_not_kept_to_fails_for_good(stored: dict[str, Any]) -> None:
    with pytest.raises(InvalidMetadata, match="is not as version 1|is not as version 2"):
        read_metadata("greet_them", stored, None)


def test_all_of_ours_are_at_version_1() -> None:
    assert find_type("send_sms").version == 1
    with pytest.raises(NewerMetadata):
        read_metadata("send_sms", {"metadataVersion": 2}, None)
