"""Ticks and changes from several connections at once, and who may call what."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import time, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, ProgrammingError

from app.features.schedules import service
from tests.integration.schedules.people import (
    EIGHT,
    NINE,
    add_user,
    brief_reader,
    change,
    jobs,
    sms_reader,
    sms_tick,
    tick,
)

HOUR = timedelta(hours=1)
API = {
    "next_brief_run(text,time without time zone,integer,text,timestamp with time zone)",
    "check_and_schedule_briefs(timestamp with time zone)",
    "check_and_schedule_daily_sms(timestamp with time zone)",
}


def test_two_beats_at_once_queue_nothing_twice(database) -> None:
    with database.engine.begin() as conn:
        for _ in range(50):
            brief_reader(conn)
            sms_reader(conn)
    together = threading.Barrier(4)

    def beat(which) -> int:
        with database.engine.begin() as conn:
            together.wait(timeout=30)
            return which(conn, EIGHT)

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(beat, (tick, tick, sms_tick, sms_tick)))
    assert sorted(added[:2]) == [0, 50]
    assert sorted(added[2:]) == [0, 50]
    with database.engine.connect() as conn:
        assert len(jobs(conn)) == 100


def test_the_second_beat_waits_for_the_first_and_takes_over_when_it_fails(database) -> None:
    with database.engine.begin() as conn:
        brief_reader(conn)
    with ThreadPoolExecutor(1) as pool, database.engine.connect() as first:
        assert tick(first, EIGHT) == 1

        def beat() -> int:
            with database.engine.begin() as second:
                return tick(second, EIGHT)

        other = pool.submit(beat)
        wait_until_blocked(database)
        first.rollback()
        assert other.result(timeout=30) == 1


def test_a_change_during_a_tick_neither_waits_nor_is_lost(database) -> None:
    with database.engine.begin() as conn:
        user = brief_reader(conn)
    with database.engine.connect() as ticking:
        assert tick(ticking, EIGHT) == 1
        with database.engine.begin() as conn:
            conn.execute(text("set local lock_timeout = '5s'"))
            change(conn, "user_brief_preferences", user, is_active=False)
        ticking.commit()
    with database.engine.begin() as conn:
        assert len(jobs(conn)) == 1
        assert service.apply_changes(conn) == 1
        assert jobs(conn) == []
        assert service.apply_changes(conn) == 0


def test_a_tick_works_on_what_changed_while_it_ran(database) -> None:
    with database.engine.begin() as conn:
        briefs, reminders = brief_reader(conn), sms_reader(conn)
        tick(conn, EIGHT)
        sms_tick(conn, EIGHT)
        assert len(jobs(conn)) == 2
    with database.engine.connect() as ticking:
        for name in ("check_and_schedule_briefs", "check_and_schedule_daily_sms"):
            ticking.execute(text("select begin_tick(:name, :now)"), {"name": name, "now": NINE})
        with database.engine.begin() as conn:
            change(conn, "user_brief_preferences", briefs, is_active=False)
            change(conn, "user_sms_preferences", reminders, opted_out=True)
            assert len(jobs(conn)) == 2
        tick(ticking, NINE)
        assert jobs(ticking) == []


def test_a_user_being_deleted_does_not_stop_the_tick(database) -> None:
    with database.engine.begin() as conn:
        leaving, staying = brief_reader(conn), brief_reader(conn)
    with database.engine.connect() as deleting:
        deleting.execute(text("delete from users where id = :user"), {"user": leaving})
        with database.engine.begin() as conn:
            assert tick(conn, EIGHT) == 1
        deleting.commit()
    with database.engine.connect() as conn:
        assert [job.user_id for job in jobs(conn)] == [staying]


def wait_until_blocked(database) -> None:
    """Until some connection waits for a lock."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        for _ in range(600):
            blocked = conn.execute(
                text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
            ).scalar_one()
            if blocked:
                return
            conn.execute(text("select pg_sleep(0.05)"))
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize("call", ["check_and_schedule_briefs()", "check_and_schedule_daily_sms()",
                                  "next_brief_run('daily', '09:00', 1, 'UTC', now())"])  # fmt: skip
def test_nobody_but_the_service_role_may_call(conn, role: str, call: str) -> None:
    conn.execute(text(f"set local role {role}"))
    with pytest.raises(ProgrammingError, match="permission denied"):
        conn.execute(text(f"select {call}"))


def test_the_service_role_may_do_everything(conn) -> None:
    user = add_user(conn)
    conn.execute(text("set local role service_role"))
    conn.execute(text("insert into user_brief_preferences (user_id, time_of_day) values (:user, '09:00')"), {"user": user})
    assert tick(conn, EIGHT) == 1
    assert sms_tick(conn, EIGHT) == 0
    change(conn, "user_brief_preferences", user, time_of_day=time(10))
    change(conn, "users", user, timezone="Europe/Berlin")
    change(conn, "user_brief_preferences", user, is_active=False)
    assert jobs(conn) == []
    next_run = conn.execute(text("select next_brief_run('daily', '10:00', 1, 'UTC', :now)"), {"now": NINE}).scalar_one()
    assert next_run == NINE + HOUR


@pytest.mark.parametrize("call", ["check_and_schedule_briefs('infinity')", "check_and_schedule_daily_sms('-infinity')"])
def test_no_tick_is_at_an_instant_that_never_comes(conn, call: str) -> None:
    with pytest.raises(DataError, match="a schedule runs at an instant"):
        conn.execute(text(f"select {call}"))


def test_a_user_sees_his_own_engagement_alone(conn) -> None:
    user, other = add_user(conn), add_user(conn)
    conn.execute(
        text("insert into brief_engagement values (:user, now(), 4, gen_random_uuid()), (:other, now(), 4, gen_random_uuid())"),
        {"user": user, "other": other},
    )
    conn.execute(text("select set_config('request.jwt.claim.sub', :user, true)"), {"user": str(user)})
    conn.execute(text("set local role authenticated"))
    assert conn.execute(text("select user_id from brief_engagement")).scalars().all() == [user]


def test_functions_are_bound_to_their_schema(conn) -> None:
    """A fixed search_path, or a body that was bound when the function was made."""
    loose = conn.execute(
        text(
            "select p.oid::regprocedure::text from pg_proc p where p.pronamespace = 'public'::regnamespace"
            " and p.proname ~ 'schedule|brief|sms|tick|zone|local|engagement|iso_utc|scheduled_job|user_moved|with_offset'"
            " and p.prosqlbody is null and not coalesce(array_to_string(p.proconfig, ','), '') ~ 'search_path'"
        )
    ).scalars()
    assert loose.all() == []
    pinned = conn.execute(
        text("select oid::regprocedure::text from pg_proc where array_to_string(proconfig, ',') ~ 'search_path=public'")
    ).scalars()
    assert set(pinned) >= API
