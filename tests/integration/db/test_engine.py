"""A pool that a busy server does not pay for, and that greets nobody with a dead connection."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError

from app.db.engine import TRUSTED, make_engine
from tests.support.servers import Database, plain_settings


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    engine = make_engine(plain_settings(database_url=database.url), application_name="pool under test")
    yield engine
    engine.dispose()


def look(engine: Engine) -> int:
    with engine.connect() as conn:
        return conn.execute(text("select 1")).scalar_one()


def cut(database: Database) -> None:
    with database.engine.begin() as conn:
        conn.execute(text("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pool under test'"))


def test_a_connection_that_died_while_it_was_idle_is_replaced_unnoticed(database: Database, engine: Engine) -> None:
    with engine.connect() as first, engine.connect() as second:  # both come back to the pool
        first.execute(text("select 1")), second.execute(text("select 1"))
    cut(database)
    time.sleep(TRUSTED + 0.1)
    assert [look(engine) for _ in range(4)] == [1] * 4


def test_the_first_who_meets_one_that_died_just_now_is_the_last(database: Database, engine: Engine) -> None:
    with engine.connect() as first, engine.connect() as second:
        first.execute(text("select 1")), second.execute(text("select 1"))
    cut(database)
    try:
        look(engine)
    except OperationalError:
        pass  # answered with 503: nothing was done
    assert [look(engine) for _ in range(4)] == [1] * 4


def test_one_that_was_just_used_is_not_asked_how_it_is(engine: Engine) -> None:
    pings = []
    inner = engine.dialect.do_ping
    engine.dialect.do_ping = lambda connection: (pings.append(1), inner(connection))[1]
    opened = []
    event.listen(engine, "connect", lambda connection, record: opened.append(1))
    assert [look(engine) for _ in range(5)] == [1] * 5
    assert (len(opened), pings) == (1, [])
    time.sleep(TRUSTED + 0.1)
    look(engine)
    assert (len(opened), pings) == (1, [1])
