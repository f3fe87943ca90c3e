"""Outcomes arrive whole and once, from many processes, however many come at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from app.queue.claims import Outcome
from tasks import outcomes

SENDERS, EACH = 3, 4000


class NoDatabase:
    def execution_options(self, **_: Any) -> NoDatabase:
        return self


@pytest.fixture
def outbox() -> Iterator[None]:
    outcomes.open_outbox()
    try:
        yield
    finally:
        os.close(outcomes._outbox)
        os.close(outcomes._inbox)
        outcomes._outbox = outcomes._inbox = outcomes._writer = None


def sender(number: int) -> int:
    child = os.fork()
    if child == 0:
        sent = all(outcomes.send(Outcome(f"{number}-{place}", place, '{"n": "' + "x" * (place % 900) + '"}')) for place in range(EACH))
        os._exit(0 if sent else 1)
    return child


def test_every_outcome_of_every_process_arrives_once(outbox: None) -> None:
    batches: list[Sequence[Outcome]] = []
    writer = outcomes.Writer(NoDatabase(), lambda ended, engine: batches.append(ended))
    # Forked before the thread starts, as a worker's children are: more than the pipe holds waits for it.
    children = [sender(number) for number in range(SENDERS)]
    writer.start()
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * SENDERS
    outcomes.settle()
    writer.finish()
    arrived = [outcome for batch in batches for outcome in batch]
    assert len(arrived) == SENDERS * EACH
    assert len({outcome.job_id for outcome in arrived}) == SENDERS * EACH
    assert all(len(outcome.result) == 9 + outcome.token % 900 for outcome in arrived)
    assert max(len(batch) for batch in batches) <= outcomes.MOST
    for number in range(SENDERS):  # in the order in which they were sent
        own = [outcome.token for outcome in arrived if outcome.job_id.startswith(f"{number}-")]
        assert own == sorted(own)


def test_what_does_not_fit_is_left_to_the_run_itself(outbox: None) -> None:
    assert not outcomes.send(Outcome("id", 1, "x" * outcomes.LARGEST))
    assert outcomes.send(Outcome("id", 1, None))


def test_without_a_writer_the_run_writes_itself() -> None:
    assert not outcomes.send(Outcome("id", 1, None))


def test_settling_waits_for_what_is_being_written(outbox: None) -> None:
    begun, go, written = threading.Event(), threading.Event(), []

    def write(ended: Sequence[Outcome], engine: Any) -> None:
        begun.set()
        go.wait(10)
        written.extend(ended)

    writer = outcomes.Writer(NoDatabase(), write)
    writer.start()
    outcomes.send(Outcome("id", 1, None))
    begun.wait(10)
    assert writer.has_work()
    go.set()
    outcomes.settle()
    assert [outcome.job_id for outcome in written] == ["id"]
    writer.finish()


def test_one_that_cannot_be_written_costs_no_other(outbox: None) -> None:
    written: list[str] = []

    def write(ended: Sequence[Outcome], engine: Any) -> None:
        if ended[0].job_id == "bad":
            raise RuntimeError("refused")
        written.extend(outcome.job_id for outcome in ended)

    writer = outcomes.Writer(NoDatabase(), write)
    writer.start()
    outcomes.send(Outcome("bad", 1, None))
    outcomes.settle()
    outcomes.send(Outcome("good", 1, None))
    outcomes.settle()
    writer.finish()
    assert written == ["good"]
