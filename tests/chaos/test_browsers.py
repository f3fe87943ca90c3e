"""The judgement of what browsers heard finds what it is there to find."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import psycopg
import pytest

from app.realtime.changes import last_place
from tests.chaos.browsers import NAMED, Told, Window, emit, faults_of, place_of
from tests.support.jobs import sql_client
from tests.support.people import add_user

ROW = 'select xid::text::bigint, id, job_id::text, "to"::text from job_events where user_id = %s order by xid, id'


@pytest.fixture
def conn(database):
    with psycopg.connect(database.url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def window(database, conn) -> Window:
    """A window that heard everything of its user: two jobs that ended, three named events."""
    user = add_user(database.engine)
    made = Window(user, [], random.Random(1), began=str(last_place(database.engine)), ready=asyncio.Event())
    with sql_client(database) as sql:
        jobs = [sql.value("select add_queue_job(%s, 'other', '{}')", user) for _ in range(2)]
        for status in ("processing", "completed"):
            for job in jobs:
                sql.run("update queue_jobs set status = %s where id = %s", status, job)
                emit(conn, user)
    told = [
        Told("postgres_changes", (xid, number), str(user), "queue_jobs", job, status)
        for xid, number, job, status in conn.execute(ROW, [user])
    ]
    told += [Told("brief_failed", (xid, number), str(user)) for xid, number in conn.execute(NAMED, (user, "0", 0))]
    made.told = sorted(told, key=lambda one: one.place)
    return made


def changed(window: Window, told: list[Told]) -> Window:
    return replace(window, told=told)


def test_all_of_it_in_order_is_fine_and_states_on_the_way_may_be_left_out(window, conn):
    assert faults_of(window, conn) == []
    assert faults_of(changed(window, [one for one in window.told if one.status != "processing"]), conn) == []
    assert place_of(window.began) < window.told[0].place


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda told: [one for one in told if one.status != "completed"], "ended 1 times, heard 0 times"),
        (lambda told: [one for one in told if one.name != "brief_failed"], "named events: 4 committed, 0 heard"),
        (lambda told: [*told[:3], told[2], *told[3:]], "after"),
        (lambda told: [told[1], told[0], *told[2:]], "after"),
        (lambda told: [*told[:-1], told[-1]._replace(owner="somebody else")], "heard of another user"),
        (lambda told: [told[0]._replace(status="completed"), *told[1:]], "heard 2 times"),
        (lambda told: [told[0]._replace(status="retrying"), *told[1:]], "went through"),
        (lambda told: [*told, Told("reload", (2**60, 0), None)], "told to reload"),
    ],
    ids=["an end missed", "events missed", "one twice", "out of order", "astray", "an end twice", "a state that was not", "a reload"],
)  # fmt: skip
def test_what_is_not_fine_is_found(window, conn, spoil, words):
    assert words in "\n".join(faults_of(changed(window, spoil(window.told)), conn))


def test_who_never_joined_is_found(window, conn):
    assert faults_of(replace(window, began=None), conn) == ["never joined"]
