"""A job keeps the trace of whoever added it, by whatever way it was added."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from app.logs import TRACEPARENT, about
from app.queue.adding import add_job
from app.queue.bulk import NewJob, add_jobs
from app.queue.claims import Claim, claim
from app.queue.dispatching import dispatch
from tests.support.servers import Database

PLACE = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture
def traced() -> Iterator[None]:
    """What happens belongs to a trace."""
    token = TRACEPARENT.set(PLACE)
    yield
    TRACEPARENT.reset(token)


def kept(database: Database) -> list[str | None]:
    with database.engine.connect() as conn:
        return list(conn.execute(text("select traceparent from queue_jobs order by id")).scalars())


def test_a_job_is_added_with_the_trace_of_its_transaction(database: Database, traced: None) -> None:
    with database.engine.begin() as conn:
        add_job(conn, "other", user_id=None, metadata={})
    with database.engine.begin() as conn:
        add_jobs(conn, [NewJob("other", None, {}), NewJob("other", None, {})])
        conn.execute(text("select add_queue_job(null, 'other', '{}')"))  # of the same cause
    with database.engine.begin() as conn:
        conn.execute(text("select add_queue_job(null, 'other', '{}')"))  # of another one, on the same connection
    assert kept(database) == [PLACE] * 4 + [None]


def test_without_one_nothing_is_kept_and_sql_clients_may_name_theirs(database: Database) -> None:
    with database.engine.begin() as conn:
        add_job(conn, "other", user_id=None, metadata={})
    for name in (PLACE, "00-xyz", PLACE.upper()):
        with database.engine.begin() as conn:
            conn.execute(text("select set_config('buildos.traceparent', :name, true)"), {"name": name})
            conn.execute(text("select add_queue_job(null, 'other', '{}')"))
    assert kept(database) == [None, PLACE, None, None]


def test_a_run_gets_it_with_its_claim_and_hands_it_on(database: Database, traced: None) -> None:
    with database.engine.begin() as conn:
        for _ in range(2):
            add_job(conn, "other", user_id=None, metadata={})
        (sent,) = dispatch(conn, ["other"], 1, "w")
        other = conn.execute(text("select id from queue_jobs where status = 'pending'")).scalar_one()
        held = claim(conn, other, "task", "w")
    assert isinstance(held, Claim) and sent.claim.traceparent == held.traceparent == PLACE
    TRACEPARENT.set(None)
    with about(held), database.engine.begin() as conn:
        add_job(conn, "other", user_id=None, metadata={})
    assert kept(database) == [PLACE] * 3
