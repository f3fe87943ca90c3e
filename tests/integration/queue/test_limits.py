"""No more of what is limited begins than may, whoever hands it out (docs/decisions/0120)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from app.queue import turns
from app.queue.turns import Limit
from tests.integration.queue.test_turns import add_many
from tests.support.jobs import Client, sql_client
from tests.support.servers import Database, plain_settings

ALL = ["send_sms", "send_email", "other"]


def limit(database: Database, *limits: Limit) -> None:
    with database.engine.begin() as conn:
        turns.write_limits(conn, limits)


def taken(sql: Client, most: int, *job_types: str) -> list[str]:
    """The types of the jobs that go out now, sorted."""
    return sorted(sql.values("select job_type from dispatch_jobs(%s, %s, 'w', true)", list(job_types or ALL), most))


def end_one(sql: Client, job_type: str = "send_sms") -> None:
    sql.run(
        "select complete_queue_job(id, null, fencing_token) from (select * from queue_jobs where status = 'processing' and job_type = %s limit 1) x",
        job_type,
    )


def quiet_for(sql: Client, seconds: float) -> None:
    """As if nothing had begun for that long."""
    sql.run("update queue_limits set filled_at = filled_at - make_interval(secs => %s)", seconds)


def test_a_type_has_no_more_running_than_it_may(database: Database, sql: Client) -> None:
    limit(database, Limit("send_sms", ["send_sms"], at_once=3))
    add_many(sql, sql.user(), 10)
    [sql.add() for _ in range(2)]
    assert taken(sql, 50) == ["other"] * 2 + ["send_sms"] * 3
    assert taken(sql, 50) == []
    end_one(sql)
    assert taken(sql, 50) == ["send_sms"] and taken(sql, 50) == []
    assert sql.value("select next_due_at(%s)", ALL) is None  # nothing to wake up for: the end of a run does


def test_a_user_has_no_more_running_than_it_may_and_others_pass(database: Database, sql: Client) -> None:
    limit(database, Limit("send_sms", ["send_sms"], at_once_per_user=2))
    ada, bob = sql.user("ada@example.com"), sql.user("bob@example.com")
    add_many(sql, ada, 30, seconds=60, priority=1)
    add_many(sql, bob, 3)
    assert sql.values("select user_id from dispatch_jobs(%s, 50, 'w', true)", ALL) == [ada] * 2 + [bob] * 2
    sql.run("update queue_settings set value = '2' where key = 'QUEUE_CROWD_SHARE'")
    # More than may run at once is a crowd here, however few they are.
    assert sql.value("select part_crowds(%s, 50, 2500, '0 s')", ALL) == 28
    assert taken(sql, 50) == []
    sql.run("select complete_queue_job(id, null, fencing_token) from queue_jobs where status = 'processing'")
    assert sql.values("select user_id from dispatch_jobs(%s, 50, 'w', true)", ALL) == [ada] * 2 + [bob]


def test_thousands_of_a_user_who_may_have_no_more_do_not_hide_the_others(database: Database, sql: Client) -> None:
    limit(database, Limit("send_sms", ["send_sms"], at_once_per_user=1))
    add_many(sql, sql.user("bulk@example.com"), 3000, seconds=60)
    bob = sql.user("bob@example.com")
    add_many(sql, bob, 1)
    assert taken(sql, 1) == ["send_sms"]
    while sql.value("select part_crowds(%s, 50, 2500, '0 s')", ALL):
        pass
    assert sql.values("select user_id from dispatch_jobs(%s, 50, 'w', true)", ALL) == [bob]


def test_a_provider_counts_all_types_that_use_it(database: Database, sql: Client) -> None:
    limit(database, Limit("outside", ["send_sms", "send_email"], at_once=4), Limit("send_sms", ["send_sms"], at_once=1))
    ada = sql.user()
    add_many(sql, ada, 5, seconds=60)
    add_many(sql, ada, 9, job_type="send_email")
    assert taken(sql, 50) == ["send_email"] * 3 + ["send_sms"]  # what the type's own limit holds back takes nobody's place
    end_one(sql, "send_email")
    assert taken(sql, 50) == ["send_email"]


def test_a_bucket_gives_what_is_in_it_and_fills_evenly(database: Database, sql: Client) -> None:
    limit(database, Limit("sms", ["send_sms"], per_minute=60, burst=5))
    add_many(sql, sql.user(), 50)
    assert len(taken(sql, 50)) == 5 and taken(sql, 50) == []
    quiet_for(sql, 2.0)
    assert len(taken(sql, 50)) == 2
    quiet_for(sql, 3600)
    assert len(taken(sql, 50)) == 5  # no more than the bucket holds
    job = sql.run("select * from queue_jobs where status = 'pending' limit 1")[0]
    assert (job["attempts"], job["error_message"]) == (0, None)  # who waits is charged nothing


def test_a_dispatcher_sleeps_until_the_next_token(database: Database, sql: Client) -> None:
    limit(database, Limit("sms", ["send_sms"], per_minute=6, burst=1))
    add_many(sql, sql.user(), 2)
    assert len(taken(sql, 50)) == 1
    seconds = "select extract(epoch from next_due_at(%s) - clock_timestamp())::float8"
    assert 9 < sql.value(seconds, ["send_sms"]) < 10.1
    assert sql.value(seconds, ["other"]) is None
    quiet_for(sql, 10)
    assert len(taken(sql, 50)) == 1
    assert sql.value(seconds, ["send_sms"]) is None  # nobody waits for it


def test_workers_that_are_not_celerys_keep_the_limits_too(database: Database, sql: Client) -> None:
    limit(database, Limit("sms", ["send_sms"], at_once=3, per_minute=60, burst=2))
    add_many(sql, sql.user(), 9)
    assert len(sql.claim("send_sms", batch=9)) == 2
    quiet_for(sql, 60)
    assert len(sql.claim("send_sms", batch=9)) == 1 and sql.claim("send_sms", batch=9) == []


def test_what_is_on_its_way_without_a_claim_counts(database: Database, sql: Client) -> None:
    limit(database, Limit("send_sms", ["send_sms"], at_once=2))
    user = sql.user()
    for _ in range(3):
        sql.run("update queue_jobs set attempts = 1 where id = %s", sql.in_state("retrying", job_type="send_sms", user=user))
    sql.run("update queue_jobs set scheduled_for = now() - interval '1 s' where status = 'retrying'")
    assert len(taken(sql, 9)) == 2 and taken(sql, 9) == []
    assert sql.value("select count(*) from queue_jobs where status = 'pending' and dispatched_at is not null") == 2


def test_many_dispatchers_together_stay_within(database: Database, sql: Client) -> None:
    limit(database, Limit("send_sms", ["send_sms"], at_once=10), Limit("mail", ["send_email"], per_minute=0.001, burst=7))
    user = sql.user()
    add_many(sql, user, 60)
    add_many(sql, user, 60, job_type="send_email")

    def work(number: int) -> list[str]:
        with sql_client(database) as mine:
            return [job_type for _ in range(5) for job_type in taken(mine, 3)]

    with ThreadPoolExecutor(6) as threads:
        got = [job_type for part in threads.map(work, range(6)) for job_type in part]
    assert (got.count("send_sms"), got.count("send_email")) == (10, 7)


def test_settings_become_limits_and_leave_again(database: Database, sql: Client) -> None:
    settings = plain_settings(queue_limits="generate_phases=20/2, sync_calendar=/1, unheard_of=3", llm_at_once=8, sms_per_minute=90)
    limit(database, *turns.limits_of(settings))
    rows = {row["name"]: row for row in sql.run("select *, job_types::text[] as types from queue_limits")}
    assert set(rows) == {"generate_phases", "sync_calendar", "llm", "sms"}
    assert (rows["generate_phases"]["at_once"], rows["generate_phases"]["at_once_per_user"]) == (20, 2)
    assert (rows["sync_calendar"]["at_once"], rows["sync_calendar"]["at_once_per_user"]) == (None, 1)
    assert set(rows["llm"]["types"]) == {"generate_daily_brief", "generate_phases", "onboarding_analysis", "process_brain_dump"}
    assert (rows["sms"]["per_minute"], rows["sms"]["burst"], rows["sms"]["tokens"]) == (90, 15, 15)
    sql.run("update queue_limits set tokens = 3")
    limit(database, *turns.limits_of(settings))
    assert sql.value("select tokens from queue_limits where name = 'sms'") == 3  # a worker that starts fills nobody's bucket
    limit(database, *turns.limits_of(plain_settings()))
    assert sql.run("select * from queue_limits") == []


@pytest.mark.parametrize("wrong", ["generate_phases", "generate_phases=", "generate_phases=/", "a=1/2/3", "A=1", "x=-1"])
def test_a_limit_that_cannot_be_read_is_refused(wrong: str) -> None:
    with pytest.raises(Exception, match="QUEUE_LIMITS"):
        plain_settings(queue_limits=wrong)


def test_the_order_within_limits_is_the_same(database: Database, sql: Client) -> None:
    limit(database, Limit("send_sms", ["send_sms"], at_once=3), Limit("mail", ["send_email"], at_once=100))
    users: list[UUID] = [sql.user(f"{n}@example.com") for n in range(3)]
    for number, user in enumerate(users):
        sql.add("send_sms", user=user, priority=9 - number)
        sql.add("send_email", user=user, priority=9 - number)
    wanted = sql.values("select id from queue_jobs where job_type in ('send_sms', 'send_email') order by priority, scheduled_for limit 6")
    assert sql.values("select job_id from dispatch_jobs(%s, 50, 'w', true)", ALL) == wanted
