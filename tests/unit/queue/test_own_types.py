"""A type of job of one's own: what the decorator reads from a function, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.jobs import InvalidMetadata, JobMetadata, PermanentError, Result, RunningJob, job_type
from app.queue.catalog import JOB_TYPES, OURS, find_type, queues, read_metadata, types_of_queues
from app.queue.models import OpenResult
from app.queue.own_types import load
from app.queue.types_page import page
from app.settings import SettingsError
from tests.support.own_types import EXAMPLE, loaded, only_ours_afterwards


class Wanted(JobMetadata):
    width: int


class Made(Result):
    path: str


@pytest.fixture(autouse=True)
def catalog() -> Iterator[None]:
    with only_ours_afterwards():
        yield


def make(job: RunningJob[Wanted]) -> Made:
    return Made(path=f"{job.metadata.width}.png")


def test_everything_is_said_in_one_place() -> None:
    assert job_type("make_thumbnail", queue="pictures", max_attempts=7, leasable=True)(make) is make
    known = find_type("make_thumbnail")
    assert (known.label, known.queue, known.metadata, known.result) == ("Make thumbnail", "pictures", Wanted, Made)
    assert (known.max_attempts, known.leasable, known.needs_user) == (7, True, True)
    assert "pictures" in queues() and types_of_queues({"pictures"}) == ["make_thumbnail"]
    with pytest.raises(InvalidMetadata, match=r"metadata.width: is required"):
        read_metadata("make_thumbnail", {}, None)


def test_nothing_to_return_is_nothing_to_say() -> None:
    @job_type("make_nothing")
    def nothing(job: RunningJob[JobMetadata]) -> None:
        return None

    assert find_type("make_nothing").result is OpenResult


def test_what_it_gives_up_on_is_not_tried_again() -> None:
    @job_type("read_page", give_up_on=(KeyError, LookupError))
    def read(job: RunningJob[JobMetadata]) -> None:
        raise job.error

    run = find_type("read_page").run
    with pytest.raises(PermanentError, match="gone"):
        run(SimpleNamespace(error=LookupError("gone")))
    with pytest.raises(TimeoutError):
        run(SimpleNamespace(error=TimeoutError("slow")))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "send_sms"}, "there is a job type send_sms already"), ({"name": "Bad Name"}, "small letters"), ({"name": "x"}, "3 to 48"),
        ({"queue": "ticks"}, "cannot be the queue"), ({"queue": "No Such"}, "cannot be the queue"), ({"max_attempts": 0}, "at least one attempt"),
        ({"soft_limit": 300, "hard_limit": 300}, "soft limit below"),
    ],
    ids=["ours", "letters", "short", "ticks", "queue", "attempts", "limits"],
)  # fmt: skip
def test_a_type_that_cannot_be_is_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        job_type(**{"name": "make_thumbnail", **options})(make)
    assert JOB_TYPES.keys() == OURS


def test_a_function_says_what_it_takes_and_gives() -> None:
    def untyped(job):
        return None

    def wrong(job: RunningJob[dict]) -> None:
        return None

    def number(job: RunningJob[Wanted]) -> int:
        return 1

    for function, words in ((untyped, "RunningJob"), (wrong, "JobMetadata"), (number, "returns a model")):
        with pytest.raises(ValueError, match=words):
            job_type("make_thumbnail")(function)


def test_a_name_is_taken_once_and_a_module_may_be_imported_again() -> None:
    job_type("make_thumbnail")(make)
    job_type("make_thumbnail")(make)
    with pytest.raises(ValueError, match="already"):

        @job_type("make_thumbnail")
        def other(job: RunningJob[Wanted]) -> None:
            return None


def test_a_module_that_cannot_be_loaded_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken_name.py").write_text(
        "from app.jobs import *\n@job_type('send_sms')\ndef run(job: RunningJob[JobMetadata]) -> None: ...\n"
    )
    monkeypatch.chdir(tmp_path)
    for module, words in (("no_such_module", "No module named"), ("taken_name", "there is a job type send_sms already")):
        with pytest.raises(SettingsError, match=f"^JOB_MODULES: {module}: .*{words}"):
            load([module])


def test_the_page_of_job_types_is_up_to_date(root: Path) -> None:
    assert (root / "docs/reference/job-types.md").read_text(encoding="utf-8") == page(JOB_TYPES.values()), "make docs-pages"


def test_the_page_shows_a_type_from_outside() -> None:
    with loaded(EXAMPLE):
        shown = page([find_type("monthly_report")])
    assert "| `month` (required) | string like" in shown and "| `tasksDone` | integer |" in shown
