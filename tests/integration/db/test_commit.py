"""A commit whose answer is lost, for real: the wire is cut behind the COMMIT."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from app.db.commit import WHO, OutcomeUnknown, _committed, repeated, transaction
from app.db.engine import make_engine
from tests.chaos.proxy import Proxy
from tests.support.servers import Database, plain_settings

ADD = text("insert into activity_log (activity) values ('drill')")


@pytest.fixture
def wire(database: Database) -> Iterator[Proxy]:
    proxy = Proxy(urlsplit(database.url).port)
    yield proxy
    proxy.close()


@pytest.fixture
def engine(database: Database, wire: Proxy) -> Iterator[Engine]:
    far = database.url.replace(f":{urlsplit(database.url).port}/", f":{wire.port}/")
    engine = make_engine(plain_settings(database_url=far))
    yield engine
    engine.dispose()


def rows(database: Database) -> int:
    with database.engine.connect() as conn:
        return conn.execute(text("select count(*) from activity_log where activity = 'drill'")).scalar_one()


def test_a_commit_whose_answer_was_lost_counts_as_what_it_is(database: Database, engine: Engine, wire: Proxy) -> None:
    with transaction(engine) as conn:
        conn.execute(ADD)
        wire.lose_answer_of_commit()
    assert rows(database) == 1


def test_the_plain_way_reports_that_as_a_failure(database: Database, engine: Engine, wire: Proxy) -> None:
    with pytest.raises(OperationalError), engine.begin() as conn:
        conn.execute(ADD)
        wire.lose_answer_of_commit()
    assert rows(database) == 1


def test_a_connection_cut_before_the_commit_is_a_failure(database: Database, engine: Engine, wire: Proxy) -> None:
    with pytest.raises(DBAPIError), transaction(engine) as conn:
        conn.execute(ADD)
        conn.execute(text("select pg_terminate_backend(pg_backend_pid())"))
    assert rows(database) == 0


def test_a_database_that_stays_away_leaves_it_open(database: Database, engine: Engine, wire: Proxy) -> None:
    with pytest.raises(OutcomeUnknown), transaction(engine, patience=0.5) as conn:
        conn.execute(ADD)
        wire.lose_answer_of_commit(lambda: wire.refuse(True))
    assert rows(database) == 1


def test_an_error_rolls_back_and_a_reader_commits_nothing(database: Database, engine: Engine) -> None:
    with pytest.raises(ValueError), transaction(engine) as conn:
        conn.execute(ADD)
        raise ValueError
    with transaction(engine) as conn:
        conn.execute(text("select 1"))
    assert rows(database) == 0


def test_a_number_that_a_crashed_server_gave_again_is_not_taken_for_ours(database: Database) -> None:
    """What a crash takes along was never written, its number neither: another transaction gets it, and commits."""
    with database.engine.begin() as conn:
        conn.execute(text("select add_queue_job(null, 'other', '{}')"))
        number, noted_at = conn.execute(WHO).one()
    assert _committed(database.engine, number, noted_at, 1.0)
    assert not _committed(database.engine, number, noted_at - timedelta(microseconds=1), 1.0)


def test_a_number_that_was_never_given_is_that_of_a_transaction_which_is_gone(database: Database) -> None:
    with database.engine.connect() as conn:
        ahead = str(int(conn.execute(text("select pg_current_xact_id()::text")).scalar_one()) + 1000)
    assert not _committed(database.engine, ahead, None, 1.0)


ADD_ONCE = text("select job_id, deduplicated from enqueue_job(null, 'other', '{}', p_dedup_key => 'once')")


def test_a_statement_whose_answer_was_lost_is_repeated_and_finds_what_it_made(database: Database, engine: Engine, wire: Proxy) -> None:
    wire.lose_answer_of("enqueue_job")
    _, deduplicated = repeated(engine, lambda conn: conn.execute(ADD_ONCE).one())
    assert deduplicated
    with database.engine.connect() as conn:
        assert conn.execute(text("select count(*) from queue_jobs")).scalar_one() == 1


def test_what_surely_was_not_done_is_told_at_once_and_what_may_be_is_left_open(engine: Engine, wire: Proxy) -> None:
    with pytest.raises(DBAPIError, match="no_such_table"):
        repeated(engine, lambda conn: conn.execute(text("select * from no_such_table")))

    wire.lose_answer_of("enqueue_job", lambda: wire.refuse(True))
    with pytest.raises(OutcomeUnknown):
        repeated(engine, lambda conn: conn.execute(ADD_ONCE), patience=0.3)
    with pytest.raises(OperationalError):  # nothing was sent
        repeated(engine, lambda conn: conn.execute(ADD_ONCE), patience=0.3)
