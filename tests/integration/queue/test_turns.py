"""One user's thousands hold back nobody else: lanes and turns (docs/decisions/0120)."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.queue import upkeep
from tests.support.jobs import Client, sql_client
from tests.support.servers import Database, plain_settings

TYPES = ["send_sms", "send_email"]


@pytest.fixture
def share_of_four(sql: Client) -> None:
    """QUEUE_CROWD_SHARE=4."""
    sql.run("update queue_settings set value = '4' where key = 'QUEUE_CROWD_SHARE'")


of_four = pytest.mark.usefixtures("share_of_four")


def add_many(sql: Client, user: UUID, count: int, *, seconds: int = 0, priority: int = 10, job_type: str = "send_sms") -> None:
    """Jobs of one user that became due one microsecond after the other, the first that many seconds ago."""
    sql.run(
        "select count(add_queue_job(%s, %s, '{}', %s, now() - make_interval(secs => %s) + n * interval '1 microsecond')) "
        "from generate_series(1, %s) n",
        user, job_type, priority, seconds, count,
    )  # fmt: skip


def part(sql: Client, *, crowd: int = 50, reach: int = 2500, pause: str = "0 s") -> int:
    """One look for crowds; returns how many jobs were moved."""
    return sql.value("select part_crowds(%s, %s, %s, %s::interval)", TYPES, crowd, reach, pause)


def dispatched(sql: Client, limit: int, name: str = "w") -> list[UUID]:
    """Whose jobs go out, in their order. They are claimed."""
    return sql.values("select user_id from dispatch_jobs(%s, %s, %s, true)", TYPES, limit, name)


def end(sql: Client, count: int, user: UUID) -> None:
    """That many running jobs of a user end well."""
    sql.run(
        "select complete_queue_job(id, null, fencing_token) from ("
        "select id, fencing_token from queue_jobs where status = 'processing' and user_id = %s limit %s) running",
        user, count,
    )  # fmt: skip


@of_four
def test_ten_thousand_jobs_of_one_user_hold_back_nobody(sql: Client) -> None:
    bulk, ada, bob = (sql.user(f"{name}@example.com") for name in ("bulk", "ada", "bob"))
    add_many(sql, bulk, 10_000, seconds=60, priority=1)
    add_many(sql, ada, 1, seconds=30)
    add_many(sql, bob, 2, seconds=10)
    moved = [part(sql) for _ in range(6)]
    assert moved == [2500, 2500, 2500, 2500, 0, 0]
    # The share first, as bulk was first; then the others, whatever their priority; then what nobody else wants.
    assert dispatched(sql, 10) == [bulk] * 4 + [ada, bob, bob] + [bulk] * 3
    add_many(sql, ada, 2)
    assert dispatched(sql, 4) == [ada] * 2 + [bulk] * 2  # nine of bulk's run already
    end(sql, 7, bulk)
    add_many(sql, ada, 3)
    assert dispatched(sql, 5) == [bulk] * 2 + [ada] * 3  # it has its share again, and no more


def test_without_a_worker_the_database_has_what_the_settings_are_by_default(database: Database, sql: Client) -> None:
    before = sql.run("select key, value::text from queue_settings order by key")
    with database.engine.begin() as conn:
        upkeep.write_settings(conn, plain_settings())
    after = sql.run("select key, value::text from queue_settings order by key")
    assert [(row["key"], _number(row["value"])) for row in before] == [(row["key"], _number(row["value"])) for row in after]


def _number(value: str) -> float | str:
    return float(value) if value.replace(".", "", 1).isdigit() else value


def test_others_wait_for_the_same_slots_with_jobs_of_another_type(sql: Client) -> None:
    bulk, ada = sql.user("bulk@example.com"), sql.user("ada@example.com")
    add_many(sql, bulk, 60, seconds=60, priority=1)
    assert part(sql) == 0
    add_many(sql, ada, 2, job_type="send_email")
    assert part(sql) == 60
    assert dispatched(sql, 4) == [bulk] + [ada] * 2 + [bulk]


def test_a_single_slot_goes_by_priority_and_time(sql: Client) -> None:
    """What docs/decisions/0120 says of it: a share is more than no slot, so a crowd that was there before is done before, unless it has no share."""
    bulk, ada = sql.user("bulk@example.com"), sql.user("ada@example.com")
    add_many(sql, bulk, 60, seconds=60)
    add_many(sql, ada, 1)
    part(sql)
    for _ in range(3):
        assert dispatched(sql, 1) == [bulk]
        end(sql, 1, bulk)
    sql.run("update queue_settings set value = '0' where key = 'QUEUE_CROWD_SHARE'")
    assert dispatched(sql, 1) == [ada]


def test_workers_of_one_queue_do_not_keep_those_of_another_from_looking(sql: Client) -> None:
    bulk, ada = sql.user("bulk@example.com"), sql.user("ada@example.com")
    add_many(sql, bulk, 60, seconds=60)
    add_many(sql, ada, 1)
    assert sql.value("select part_crowds('{send_email}', 50, 1000, '1 hour')") == 0
    assert part(sql, pause="1 hour") == 60


def test_two_slots_are_enough_to_let_others_pass(sql: Client) -> None:
    """As the settings are by default, and however urgent the crowd says it is."""
    bulk, ada = sql.user("bulk@example.com"), sql.user("ada@example.com")
    add_many(sql, bulk, 60, seconds=60, priority=1)
    part(sql)
    add_many(sql, ada, 1)
    part(sql)
    assert dispatched(sql, 2) == [bulk, ada]


def test_alone_a_crowd_has_all_there_is_and_is_not_moved(sql: Client) -> None:
    bulk = sql.user("bulk@example.com")
    add_many(sql, bulk, 300, seconds=60)
    assert part(sql) == 0
    assert dispatched(sql, 200) == [bulk] * 200


def test_in_its_lane_a_user_keeps_the_order(sql: Client) -> None:
    """Also with what it adds later, before that is moved too: by priority, then time."""
    bulk, ada = sql.user("bulk@example.com"), sql.user("ada@example.com")
    for priority in (9, 3, 6):
        add_many(sql, bulk, 60, seconds=100 - priority, priority=priority)
    add_many(sql, ada, 1, seconds=5)
    assert part(sql) == 180
    later = sql.add("send_sms", user=bulk, priority=1)
    wanted = sql.values(
        "select id from queue_jobs where user_id = %s order by effective_priority(priority, scheduled_for, 300), scheduled_for", bulk
    )
    got = [row for row in sql.run("select job_id, user_id from dispatch_jobs(%s, 500, 'w', true)", TYPES)]
    assert [row["job_id"] for row in got if row["user_id"] == bulk] == wanted and wanted[0] == later
    assert len(got) == 182


@of_four
def test_crowds_take_turns_with_each_other(sql: Client) -> None:
    first, second = sql.user("first@example.com"), sql.user("second@example.com")
    add_many(sql, first, 100, seconds=90, priority=1)
    add_many(sql, second, 100, seconds=60)
    part(sql)
    assert dispatched(sql, 8) == [first] * 4 + [second] * 4
    assert sorted(dispatched(sql, 10)) == sorted([first] * 5 + [second] * 5)


@of_four
def test_a_crowd_is_one_of_its_type(sql: Client) -> None:
    bulk, ada = sql.user("bulk@example.com"), sql.user("ada@example.com")
    add_many(sql, bulk, 60, seconds=60)
    add_many(sql, ada, 1, seconds=50)
    add_many(sql, bulk, 3, seconds=40, job_type="send_email")
    part(sql)
    assert sql.values("select distinct job_type::text from queue_jobs where lane > 0") == ["send_sms"]
    assert dispatched(sql, 8) == [bulk] * 4 + [ada] + [bulk] * 3


@of_four
def test_a_crowd_starves_no_more_than_it_lets_starve(sql: Client) -> None:
    """However many others come: its oldest jobs are like everybody's, and rise with time like everybody's."""
    bulk, ada = sql.user("bulk@example.com"), sql.user("ada@example.com")
    add_many(sql, bulk, 60, seconds=3600)
    add_many(sql, ada, 40, priority=5)
    part(sql)
    for _ in range(5):
        assert dispatched(sql, 6) == [bulk] * 4 + [ada] * 2
        end(sql, 4, bulk)


def test_who_waits_far_behind_is_seen_by_the_newest_or_by_a_deep_look(sql: Client) -> None:
    bulk, ada = sql.user("bulk@example.com"), sql.user("ada@example.com")
    add_many(sql, bulk, 600, seconds=60)
    add_many(sql, ada, 1, seconds=50)
    assert part(sql, reach=100) == 100  # by the newest
    sql.run("update queue_jobs set lane = 0 where lane > 0")
    add_many(sql, bulk, 300, seconds=40)
    assert part(sql, reach=100) == 0  # 600 before and 300 behind
    assert part(sql, reach=2500) == 900


@of_four
def test_what_waits_in_a_lane_is_claimed_by_others_too_and_comes_back_to_it(sql: Client) -> None:
    bulk, ada = sql.user("bulk@example.com"), sql.user("ada@example.com")
    add_many(sql, bulk, 60, seconds=60)
    add_many(sql, ada, 1)
    part(sql)
    held = sql.claim("send_sms", batch=5)
    assert [row["user_id"] for row in held] == [bulk] * 4 + [ada]
    sql.run("select release_queue_job(%s, %s, 'handed back')", held[0]["id"], held[0]["fencing_token"])
    assert sql.job(held[0]["id"])["lane"] > 0
    sql.run("select reschedule_queue_job(%s, now() + interval '1 hour')", held[0]["id"])
    assert sql.job(held[0]["id"])["lane"] == 0 and sql.value("select next_due_at('{send_sms}')") is not None


def test_moving_aside_is_seen_by_nobody(sql: Client) -> None:
    bulk, ada = sql.user("bulk@example.com"), sql.user("ada@example.com")
    add_many(sql, bulk, 60, seconds=60)
    add_many(sql, ada, 1)
    before = sql.run("select id, status, updated_at, scheduled_for, priority, metadata from queue_jobs order by id")
    told = sql.value("select count(*) from row_events"), sql.value("select count(*) from job_events")
    assert part(sql) == 60
    assert sql.run("select id, status, updated_at, scheduled_for, priority, metadata from queue_jobs order by id") == before
    assert (sql.value("select count(*) from row_events"), sql.value("select count(*) from job_events")) == told


def test_one_looks_at_a_time_and_not_too_often(database: Database, sql: Client) -> None:
    bulk, ada = sql.user("bulk@example.com"), sql.user("ada@example.com")
    add_many(sql, bulk, 60, seconds=60)
    add_many(sql, ada, 1)
    with sql_client(database, autocommit=False) as other:
        assert part(other) == 60
        assert part(sql) == 0
        other.connection.rollback()
    assert part(sql) == 60 and part(sql) == 0
    add_many(sql, bulk, 60)
    assert part(sql, pause="1 hour") == 0 and part(sql) == 60


def test_where_everybody_has_many_nobody_crowds(sql: Client) -> None:
    users = [sql.user(f"{number}@example.com") for number in range(12)]
    for user in users:
        add_many(sql, user, 60, seconds=60)
    assert part(sql) == 0
    add_many(sql, users[0], 60, seconds=60)
    assert part(sql) == 120


def test_lanes_stay_few_where_users_have_limits(sql: Client) -> None:
    sql.run("insert into queue_limits (name, job_types, at_once_per_user) values ('send_sms', '{send_sms}', 1)")
    sql.run("insert into users (email) select 'many' || n || '@example.com' from generate_series(1, 70) n")
    sql.run("insert into queue_jobs (user_id, job_type) select id, 'send_sms' from users, generate_series(1, 2) n")
    sql.run("insert into queue_jobs (user_id, job_type) select id, 'send_sms' from users where email = 'many9@example.com'")
    assert part(sql) == 3  # one has 3 of 141; the others' 2 are less than a fiftieth


@pytest.mark.parametrize("waiting", [1, 50])
def test_few_jobs_are_no_crowd(sql: Client, waiting: int) -> None:
    ada, bob = sql.user("ada@example.com"), sql.user("bob@example.com")
    add_many(sql, ada, waiting, seconds=60)
    add_many(sql, bob, 1)
    assert part(sql) == 0
    assert dispatched(sql, 60) == [ada] * waiting + [bob]
