"""The SQL functions under random interleavings of sessions, and proof that the test would notice a missing guard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.queue.conftest import empty
from tests.integration.queue.machine import SESSIONS, QueueMachine
from tests.support.jobs import Client, sql_client, sql_clients
from tests.support.servers import Database

EXAMPLES, STEPS = 60, 60

CLAIM = "claim_pending_jobs(text[], int)"
COMPLETE = "complete_queue_job(uuid, jsonb, bigint)"
FAIL = "fail_queue_job(uuid, text, boolean, bigint)"
SWEEP = "take_back_stalled_jobs(interval)"
GUARD = "guard_queue_job_update()"
FENCE = "and fencing_token = p_fencing_token"
# Each guard, broken: the function, what is taken out, what is put in.
BROKEN = {
    "no fencing token in complete": (COMPLETE, FENCE, ""),
    "no fencing token in fail": (FAIL, FENCE, ""),
    "no fencing token in release": ("release_queue_job(uuid, bigint, text)", FENCE, ""),
    "no fencing token in heartbeat": ("heartbeat_queue_job(uuid, bigint)", FENCE, ""),
    "no status check in complete": (COMPLETE, "and status = 'processing'", ""),
    "no status check in fail": (FAIL, "and status = 'processing'", ""),
    "no status check in cancel": ("cancel_queue_job(uuid, text)", "and status in ('pending', 'processing', 'retrying')", ""),
    "no skip locked in claim": (CLAIM, "for update of q skip locked", "for update of q"),
    "no row lock in claim": (CLAIM, "for update of q skip locked", ""),
    "no skip locked in dispatch": ("dispatch_jobs(text[], int, text, boolean)", "for update of q skip locked", "for update of q"),
    "no skip locked in the sweep": (SWEEP, "for update skip locked", ""),
    "the living are swept": (SWEEP, "< clock_timestamp() - p_stall_timeout", "is not null"),
    "a stall costs nothing": (SWEEP, "attempts = attempts + 1,", ""),
    "a failure costs nothing": (FAIL, "attempts = attempts + 1,", ""),
    "attempts have no end": (FAIL, "attempts + 1 < max_attempts", "true"),
    "no ageing": ("effective_priority(int, timestamptz, float8)", "p_priority - ", "p_priority - 0 * "),
    "retries do not wait": (FAIL, "clock_timestamp() + retry_delay(attempts + 1)", "clock_timestamp()"),
    "due retries stay": ("promote_due_retries(queue_type[])", "scheduled_for <= now()", "false"),
    "the table lets terminal rows change": (GUARD, "is_terminal(old.status)", "false"),
    "a key is never given back": (GUARD, "new.dedup_lock := null", "null"),
    "the live can be deleted": ("guard_queue_job_delete()", "not is_terminal(old.status)", "false"),
    "history is not written": ("record_changed_jobs()", "where was <> status", "where status = 'completed' and was <> status"),
}  # fmt: skip


@pytest.fixture
def property_holds(database: Database) -> Iterator[Callable[[], None]]:
    """Run the property: the same examples every time."""
    with sql_client(database, name="observer") as observer, sql_clients(database, SESSIONS, autocommit=True) as clients:
        def run() -> None:
            run_state_machine_as_test(
                lambda: QueueMachine(observer, clients, lambda: empty(database)),
                settings=settings(
                    max_examples=EXAMPLES, stateful_step_count=STEPS, derandomize=True, database=None, deadline=None,
                    phases=[Phase.generate], report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
                ),
            )  # fmt: skip

        yield run


@contextmanager
def broken(sql: Client, function: str, old: str, new: str) -> Iterator[None]:
    """The function without its guard, for a while."""
    definition = sql.value("select pg_get_functiondef(%s::regprocedure)", function)
    assert old in definition, f"{function} no longer says: {old}"
    sql.connection.execute(definition.replace(old, new))
    try:
        yield
    finally:
        sql.connection.execute(definition)


def test_any_interleaving_does_what_the_model_says(property_holds: Callable[[], None]) -> None:
    property_holds()


@pytest.mark.parametrize("guard", BROKEN)
def test_a_missing_guard_is_noticed(sql: Client, property_holds: Callable[[], None], guard: str) -> None:
    with broken(sql, *BROKEN[guard]), pytest.raises((AssertionError, psycopg.Error)):
        property_holds()
