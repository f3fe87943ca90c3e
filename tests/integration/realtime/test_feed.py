"""What a browser hears: committed changes of its own user, in order, once (CONTRACT 6)."""

from __future__ import annotations

import re

import pytest
import requests
from socketio.exceptions import ConnectionError as Refused
from sqlalchemy import text
from sqlalchemy.event import listen

from app.queue.adding import add_job
from app.realtime.changes import last_place, read_changes
from app.realtime.events import emit
from tests.support.api import PATIENCE, Browser
from tests.support.processes import wait_for


def add(database, user_id, day="2026-11-21"):
    with database.engine.begin() as conn:
        return str(add_job(conn, "generate_daily_brief", user_id=user_id, metadata={"briefDate": day}).id)


def move(database, job_id, *statuses):
    for status in statuses:
        with database.engine.begin() as conn:
            conn.execute(text("update queue_jobs set status = :s where id = :id"), {"s": status, "id": job_id})


def tell(database, user_id, number, key=None):
    with database.engine.begin() as conn:
        emit(
            conn,
            user_id,
            "brief_completed",
            {"briefId": str(number), "briefDate": "2026-11-21", "timezone": "UTC"},
            key=key,
        )


def numbers(browser):
    return [int(payload["briefId"]) for payload in browser.named("brief_completed")]


def test_a_job_is_followed_from_its_birth_to_its_end(database, browser, ann):
    one = browser(ann)
    assert one.subscribe(ann)["status"] == "SUBSCRIBED"
    job = add(database, ann)
    one.wait_for(lambda b: b.states(job) == ["pending"])
    move(database, job, "processing")
    one.wait_for(lambda b: b.states(job)[-1:] == ["processing"])
    with database.engine.begin() as conn:
        conn.execute(
            text("update queue_jobs set metadata = metadata || :m where id = :id"),
            {"m": '{"generation_progress": {"progress": 40, "message": "writing"}}', "id": job},
        )
    one.wait_for(lambda b: len(b.states(job)) == 3)
    move(database, job, "completed")
    one.wait_for(lambda b: b.states(job)[-1] == "completed")

    changes = one.named("postgres_changes")
    assert [change["eventType"] for change in changes] == ["INSERT", "UPDATE", "UPDATE", "UPDATE"]
    assert all((change["schema"], change["table"]) == ("public", "queue_jobs") for change in changes)
    assert changes[2]["new"]["progress"] == {"current": 40, "total": 100, "message": "writing"}
    assert changes[1]["old"] == {"id": job, "status": "pending"} and changes[0]["old"] == {}
    hidden = {
        "fencing_token",
        "dedup_key",
        "dedup_lock",
        "heartbeat_at",
        "worker",
        "task_id",
        "dispatched_at",
        "dispatched_by",
    }
    assert not any(hidden & change["new"].keys() for change in changes)
    assert len({change["cursor"] for change in changes}) == 4


def test_briefs_are_followed(database, browser, ann):
    one = browser(ann)
    one.subscribe(ann)
    with database.engine.begin() as conn:
        conn.execute(text("insert into daily_briefs (user_id, brief_date) values (:u, '2026-11-21')"), {"u": ann})
    one.wait_for(lambda b: len(b.named("postgres_changes")) == 1)
    with database.engine.begin() as conn:
        conn.execute(
            text(
                "update daily_briefs set generation_status = 'completed', summary_content = '# Hello' where user_id = :u"
            ),
            {"u": ann},
        )
    one.wait_for(lambda b: len(b.named("postgres_changes")) == 2)
    with database.engine.begin() as conn:
        conn.execute(text("delete from daily_briefs where user_id = :u"), {"u": ann})
    one.wait_for(lambda b: len(b.named("postgres_changes")) == 3)
    born, done, gone = one.named("postgres_changes")
    assert (born["eventType"], born["new"]["brief_date"]) == ("INSERT", "2026-11-21")
    assert (done["eventType"], done["new"]["summary_content"]) == ("UPDATE", "# Hello")
    assert (gone["eventType"], gone["new"], gone["old"]) == ("DELETE", {}, {"id": born["new"]["id"]})


def test_nobody_hears_of_another_user(database, browser, ann, bob):
    mine, theirs = browser(ann), browser(bob)
    mine.subscribe(ann)
    theirs.subscribe(bob)
    for number in range(20):
        tell(database, ann, number)
        tell(database, bob, 100 + number)
        add(database, ann, f"2026-12-{number + 1:02}")
    mine.wait_for(lambda b: len(numbers(b)) == 20 and len(b.states()) == 20)
    theirs.wait_for(lambda b: len(numbers(b)) == 20)
    tell(database, bob, 999)
    theirs.wait_for(lambda b: numbers(b)[-1] == 999)
    assert numbers(theirs) == [*range(100, 120), 999] and theirs.states() == []
    assert numbers(mine) == [*range(20)]


def test_every_window_of_a_user_hears_each_event_once(database, browser, ann):
    windows = [browser(ann) for _ in range(3)]
    for window in windows:
        window.subscribe(ann)
        window.call("subscribe", {"channel": f"user-brief-notifications:{ann}"})
    for number in range(10):
        tell(database, ann, number)
    for window in windows:
        window.wait_for(lambda b: len(numbers(b)) >= 10)
        assert numbers(window) == [*range(10)]


def test_only_what_is_committed_is_told_and_a_key_tells_once(database, browser, ann):
    one = browser(ann)
    one.subscribe(ann)
    with database.engine.connect() as conn:
        emit(conn, ann, "brief_failed", {"error": "x", "briefDate": "2026-11-21"})
        conn.rollback()
    tell(database, ann, 1, key=f"done-{ann}")
    tell(database, ann, 1, key=f"done-{ann}")
    tell(database, ann, 2)
    one.wait_for(lambda b: 2 in numbers(b))
    assert [name for name, _ in one.heard] == ["brief_completed", "brief_completed"] and numbers(one) == [1, 2]


def test_a_transaction_that_commits_late_loses_nothing(database, browser, ann):
    """The later number commits first: a reader that trusted numbers would skip the earlier one."""
    one = browser(ann)
    one.subscribe(ann)
    with database.engine.connect() as slow:
        emit(slow, ann, "brief_completed", {"briefId": "1", "briefDate": "2026-11-21", "timezone": "UTC"})
        tell(database, ann, 2)
        slow.commit()
    one.wait_for(lambda b: len(numbers(b)) == 2)
    assert numbers(one) == [1, 2]


def test_what_was_missed_is_told_on_return_in_order_and_once(database, browser, ann):
    one = browser(ann)
    one.subscribe(ann)
    tell(database, ann, 0)
    one.wait_for(lambda b: numbers(b) == [0])
    cursor = one.named("brief_completed")[0]["cursor"]
    one.leave()
    job = add(database, ann)
    for number in range(1, 6):
        tell(database, ann, number)
    move(database, job, "processing", "completed")
    back = browser(ann, cursor=cursor)
    back.subscribe(ann)
    tell(database, ann, 6)
    back.wait_for(lambda b: 6 in numbers(b))
    assert numbers(back) == [*range(1, 7)] and back.states(job) == ["completed"]


def test_returning_in_the_middle_of_a_stream_leaves_no_gap(database, browser, ann):
    one = browser(ann)
    cursor = one.subscribe(ann)["cursor"]
    for number in range(60):
        tell(database, ann, number)
        if number % 10 == 5:
            one = browser(ann, cursor=cursor)  # while the stream goes on
            heard = one
    heard.wait_for(lambda b: numbers(b)[-1:] == [59])
    assert numbers(heard) == [*range(60)]


def test_resume_tells_what_lies_before_the_connection(database, browser, ann):
    one = browser(ann)
    cursor = one.subscribe(ann)["cursor"]
    one.leave()
    for number in range(3):
        tell(database, ann, number)
    back = browser(ann)
    back.subscribe(ann)
    assert numbers(back) == []
    assert back.call("resume", {"cursor": cursor}) == {"status": "RESUMED", "replayed": 3}
    back.wait_for(lambda b: len(numbers(b)) == 3)
    assert back.call("resume", {"cursor": cursor}) == {"status": "RESUMED", "replayed": 0}
    tell(database, ann, 3)
    back.wait_for(lambda b: 3 in numbers(b))
    assert numbers(back) == [0, 1, 2, 3]


@pytest.mark.parametrize("cursor", ["nonsense", "", 7, "1.1.1.1", "9" * 18 + ".0.0.1792000000"])
def test_a_cursor_that_is_too_old_or_not_ours_means_reload(database, browser, ann, cursor):
    one = browser(ann)
    one.subscribe(ann)
    assert one.call("resume", {"cursor": cursor}) == {"status": "RELOAD", "replayed": 0}
    one.wait_for(lambda b: len(b.named("reload")) == 1)
    two = browser(ann, cursor=cursor)
    two.wait_for(lambda b: len(b.named("reload")) == 1)
    for window in (one, two):
        tell(database, ann, 5)
        window.wait_for(lambda b: 5 in numbers(b))


def test_channels_of_others_are_refused(browser, ann, bob):
    one = browser(ann)
    for channel in (
        f"user:{bob}",
        f"user-brief-notifications:{bob}",
        "user:",
        "",
        None,
        7,
        {"channel": {}},
        f"user:{ann}x",
    ):
        answer = one.call("subscribe", {"channel": channel})
        assert answer["status"] == "CHANNEL_ERROR" and answer["error"]
    assert one.call("subscribe")["status"] == "CHANNEL_ERROR"
    assert one.call("subscribe", f"user-brief-notifications:{ann}")["status"] == "SUBSCRIBED"


@pytest.mark.parametrize(
    "auth",
    [
        None,
        {},
        {"userId": None},
        {"userId": "x"},
        {"userId": 7},
        {"userId": "00000000-0000-0000-0000-000000000000"},
        "me",
    ],
)
def test_an_unknown_user_cannot_connect(api, auth):
    with pytest.raises(Refused):
        Browser(api.url, auth).connect()


def test_another_origin_cannot_connect(api, ann):
    with pytest.raises(Refused):
        Browser(api.url, {"userId": str(ann)}).connect(headers={"Origin": "https://evil.example"})


def test_connected_browsers_are_counted(api, ann, browser):
    def count() -> int:
        text = requests.get(f"{api.url}/metrics", timeout=PATIENCE).text
        return int(re.search(r'buildos_connections\{kind="realtime"\} (\d+)', text)[1])

    wait_for(lambda: count() == 0, "those of earlier tests are gone")
    browser(ann), browser(ann)
    wait_for(lambda: count() == 2, "both are counted")


def test_the_feed_comes_back_when_the_database_cut_it_off(database, browser, ann):
    one = browser(ann)
    one.subscribe(ann)
    with database.engine.connect() as conn:
        conn.execute(
            text("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'buildos%'")
        )
    for number in range(5):
        tell(database, ann, number)
    one.wait_for(lambda b: len(numbers(b)) == 5)
    assert numbers(one) == [*range(5)]


def test_who_only_looks_does_not_hear_of_connections_that_died(database, api):
    for _ in range(5):
        assert requests.get(f"{api.url}/metrics", timeout=PATIENCE).status_code == 200
        with database.engine.begin() as conn:
            conn.execute(
                text("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'buildos%'")
            )


def test_a_row_that_cannot_be_read_silences_nobody(database, browser, ann, bob):
    one, two = browser(ann), browser(bob)
    one.subscribe(ann)
    two.subscribe(bob)
    deep = '{"a":' * 3000 + "1" + "}" * 3000  # Postgres keeps it, Python's JSON does not read it
    nearly = '{"a":' * 900 + "1" + "}" * 900  # is read, and may not be written
    with database.engine.begin() as conn:
        added = [
            str(conn.execute(_ADD, {"user": ann, "metadata": metadata}).scalar_one())
            for metadata in (deep, '{"a": 1}', nearly, '{"a": 2}')
        ]
    tell(database, bob, 1)
    two.wait_for(lambda b: numbers(b) == [1])
    one.wait_for(lambda b: len(b.states()) == 4)
    new = [change["new"] for change in one.named("postgres_changes")]
    assert [row["id"] for row in new] == added and {row["user_id"] for row in new} == {str(ann)}
    assert [row.get("metadata") for row in new][1::2] == [{"a": 1}, {"a": 2}]


_ADD = text("select add_queue_job(:user, 'other', cast(:metadata as jsonb), 10, now() + interval '1 day')")


def test_a_transaction_that_began_early_and_changes_a_row_last_ends_it_once(database, browser, ann):
    """Its place in the order is before the change that it followed."""
    one = browser(ann)
    cursor = one.subscribe(ann)["cursor"]
    job = add(database, ann)
    with database.engine.connect() as early:
        emit(early, ann, "brief_completed", {"briefId": "1", "briefDate": "2026-11-21", "timezone": "UTC"})
        move(database, job, "processing")
        early.execute(text("update queue_jobs set status = 'completed' where id = :id"), {"id": job})
        early.commit()
    one.wait_for(lambda b: numbers(b) == [1] and "completed" in b.states(job))
    last = one.heard[-1][1]["cursor"]
    tell(database, ann, 2)
    one.wait_for(lambda b: numbers(b) == [1, 2])
    assert one.states(job).count("completed") == 1 and one.states(job)[-1] == "completed"
    for since in (cursor, last):
        again = browser(ann, cursor=since)
        again.subscribe(ann)
        again.wait_for(lambda b: 2 in numbers(b))
        assert again.states(job) == (["completed"] if since == cursor else [])


def test_who_is_too_far_behind_is_told_to_reload(database, browser, ann):
    """A day, or more changes of everybody than a replay looks through: then the stream goes on from now."""
    one = browser(ann)
    cursor = one.subscribe(ann)["cursor"]
    tell(database, ann, 1)
    one.wait_for(lambda b: numbers(b) == [1])
    place, at = cursor.rsplit(".", 1)
    yesterday = browser(ann, cursor=f"{place}.{int(at) - 24 * 3600 - 60}")
    yesterday.wait_for(lambda b: len(b.named("reload")) == 1)
    assert browser(ann, cursor=f"{place}.{int(at) - 23 * 3600}").call("resume", {"cursor": cursor})["replayed"] == 0
    with database.engine.begin() as conn:
        conn.execute(text("select setval('change_seq', last_value + 200001) from change_seq"))
    tell(database, ann, 2)
    yesterday.wait_for(lambda b: numbers(b) == [2])
    late = browser(ann, cursor=cursor)
    late.wait_for(lambda b: len(b.named("reload")) == 1)
    assert late.heard[0][1]["cursor"] == late.subscribe(ann)["cursor"], "where it goes on"
    tell(database, ann, 3)
    for window in (yesterday, late):
        window.wait_for(lambda b: numbers(b)[-1:] == [3])
    assert numbers(late) == [3] and len(late.named("reload")) == 1


def test_users_who_are_not_connected_cost_one_look_and_load_nothing(database, ann, bob):
    """A thousand changes of others: no row of theirs is read, nor sent over the wire."""
    start = last_place(database.engine).position
    with database.engine.begin() as conn:
        conn.execute(
            text(
                "select count(add_queue_job(:u, 'other', '{}', 10, now() + interval '1 day')) from generate_series(1, 1000)"
            ),
            {"u": bob},
        )
    statements: list[str] = []
    listen(database.engine, "before_cursor_execute", lambda c, cursor, sql, *rest: statements.append(sql))
    tables = {"queue_jobs": lambda conn, ids: pytest.fail("a row was loaded")}
    batch = read_changes(database.engine, tables, [ann], start)
    assert batch.events == [] and not batch.more and batch.reached.position > start
    assert len(statements) == 1
    assert (
        read_changes(database.engine, tables, [ann], batch.reached.position).reached.position == batch.reached.position
    )
