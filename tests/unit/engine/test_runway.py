"""What is on its way to a worker is bounded until it begins, wherever it waits."""

from __future__ import annotations

from uuid import uuid4

from app.queue.claims import Claim
from app.queue.dispatching import Dispatched
from tasks.runway import MOST_EXTRA, SEEN, Message, Runway

SLOTS = 2


def message(jobs: int = 1) -> Message:
    claims = [Claim(str(uuid4()), "name", None, "other", "{}", 1, 3, 1, str(uuid4())) for _ in range(jobs)]
    return Message(str(uuid4()), "other", tuple(Dispatched(claim.job_id, "other", claim) for claim in claims))


def run(runway: Runway, one: Message, seconds: float) -> None:
    runway.sent([one])
    runway.take(one.task_id)
    runway.began(one.task_id)
    runway.ended(one.task_id, seconds)


def seen(seconds: float, runs: int = SEEN) -> Runway:
    runway = Runway()
    for _ in range(runs):
        run(runway, message(), seconds)
    return runway


def test_nothing_waits_of_a_type_that_was_not_seen_often_enough_or_takes_long() -> None:
    assert seen(0.001, SEEN - 1).extra(SLOTS) == ([], 0)
    assert seen(0.5).extra(SLOTS) == ([], 0)


def test_of_short_jobs_a_tenth_of_a_second_waits() -> None:
    assert seen(0.002).extra(SLOTS) == (["other"], 100)
    assert seen(0.000001).extra(SLOTS) == (["other"], MOST_EXTRA)


def test_the_first_runs_weigh_as_much_as_each_other() -> None:
    runway = seen(0.002, 3)
    run(runway, message(), 0.006)
    assert runway.extra(SLOTS) == (["other"], int(SLOTS * 0.1 / 0.003))


def test_what_was_taken_waits_like_what_was_sent_until_it_begins() -> None:
    runway = seen(0.002)
    lease = message(jobs=100)
    runway.sent([lease])
    assert runway.extra(SLOTS)[1] == 0
    runway.take(lease.task_id)
    assert runway.extra(SLOTS)[1] == 0
    runway.began(lease.task_id)
    assert runway.extra(SLOTS)[1] == 100


def test_what_is_withdrawn_waits_no_more_wherever_it_was() -> None:
    for taken in (False, True):
        runway = seen(0.002)
        lease = message(jobs=100)
        runway.sent([lease])
        if taken:
            runway.take(lease.task_id)
        assert runway.withdraw_waiting(older_than=0.0) == [lease]
        assert runway.extra(SLOTS)[1] == 100
        runway.began(lease.task_id)  # comes too late: nobody counts it
        assert runway.extra(SLOTS)[1] == 100


def test_a_message_on_the_wire_holds_a_slot() -> None:
    runway = Runway()
    runway.sent([message(), message()])
    assert runway.room(SLOTS) == 0
