"""get_queue_stats and its view are exact at every moment, also while the history is being folded (CONTRACT 3)."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from app.queue import upkeep
from tests.support.jobs import STATUSES, Client, sql_client, sql_clients
from tests.support.servers import Database

TRUE = "select job_type::text, status::text, count(*) as count from queue_jobs group by 1, 2 order by 1, 2"
STATS = "select job_type, status, count from get_queue_stats() order by 1, 2"
# Both in one statement, so that both see one snapshot.
WRONG = f"""
    with truth as ({TRUE}), told as ({STATS})
    (table truth except table told) union all (table told except table truth)
"""


def test_an_empty_queue_has_no_counts(sql: Client) -> None:
    assert sql.run(STATS) == [] == sql.run("select * from queue_jobs_stats")


def test_counts_by_type_and_state(sql: Client) -> None:
    user = sql.user()
    for number, status in enumerate(STATUSES, 1):
        for _ in range(number):
            sql.in_state(status)
    sql.in_state("failed", job_type="send_sms", user=user)
    told = sql.run(STATS)
    assert told == sql.run(TRUE) == sql.run("select * from queue_jobs_stats order by 1, 2")
    assert {(row["job_type"], row["status"]): row["count"] for row in told}["other", "retrying"] == 6
    assert {type(value) for row in told for value in row.values()} == {str, int}


def test_folding_changes_nothing_that_is_told(database: Database, sql: Client) -> None:
    for status in STATUSES:
        sql.in_state(status)
    told = sql.run(STATS)
    for _ in range(2):
        with database.engine.begin() as conn:
            upkeep.fold_counts(conn)
        assert sql.run(STATS) == told
    assert sql.value("select sum(count) from queue_counts") == 6
    sql.run("delete from queue_jobs where status in ('completed', 'failed', 'cancelled')")
    assert sql.run(WRONG) == []
    sql.run("select fold_queue_counts()")
    assert sql.run(WRONG) == [] and sql.value("select sum(count) from queue_counts") == 3


def test_what_an_open_transaction_did_is_counted_after_its_commit(database: Database, sql: Client) -> None:
    with sql_clients(database, 1) as (slow,):
        slow.add()
        assert slow.run(WRONG) == []
        for _ in range(3):
            sql.add()
            sql.run("select fold_queue_counts()")
        assert sql.run(WRONG) == []
        slow.connection.commit()
    assert sql.run(WRONG) == []
    sql.run("select fold_queue_counts()")
    assert sql.run(WRONG) == [] and sql.run(STATS)[0]["count"] == 4


def test_a_fold_that_is_rolled_back_and_one_that_is_already_running(database: Database, sql: Client) -> None:
    sql.add()
    with sql_clients(database, 1) as (first,):
        first.run("select fold_queue_counts()")
        sql.run("select fold_queue_counts()")  # would fail by its lock time-out if it waited
        assert sql.run(WRONG) == first.run(WRONG) == []
        first.connection.rollback()
    assert sql.run(WRONG) == []


def test_exact_while_jobs_run_and_folds_run(database: Database, sql: Client) -> None:
    def work(seed: int) -> None:
        dice = random.Random(seed)
        with sql_client(database, autocommit=False) as mine:
            for _ in range(25):
                mine.run("select count(add_queue_job(null, 'other', '{}')) from generate_series(1, %s)", dice.randint(1, 5))
                if dice.random() < 0.3:
                    mine.connection.commit()
                for row in mine.claim(batch=3):
                    mine.run(dice.choice(["select complete_queue_job(%s)", "select fail_queue_job(%s, 'x', true)", "select cancel_queue_job(%s)"]), row["id"])
                mine.connection.rollback() if dice.random() < 0.2 else mine.connection.commit()

    def fold(_: int) -> None:
        with sql_client(database) as mine:
            for _ in range(60):
                mine.run("select fold_queue_counts()")

    wrong: list[object] = []
    with ThreadPoolExecutor(5) as threads:
        busy = [threads.submit(work, seed) for seed in range(3)] + [threads.submit(fold, n) for n in range(2)]
        while not all(task.done() for task in busy):
            wrong += sql.run(WRONG)
        for task in busy:
            task.result()
    assert wrong == [] and sql.run(WRONG) == []
    sql.run("select fold_queue_counts()")
    assert sql.run(WRONG) == [] and sql.value("select count(*) from queue_jobs") > 50
