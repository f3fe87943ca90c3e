"""What is done with the service key is written down, and stays (CONTRACT 10)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine

from app.db.commit import transaction
from app.identity.audit import Audit, Entry, prune
from tests.chaos.proxy import Proxy
from tests.integration.security.conftest import World
from tests.support.tokens import KEY

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def written(world: World) -> list[dict[str, Any]]:
    """The entries that our requests made, oldest first; afterwards there are none."""
    world.app.extensions["buildos.audit"].write()
    found = world.sql.run("select * from audit_log where actor = 'service key' order by id")
    world.sql.run("delete from audit_log")
    return found


def test_what_an_operator_does_is_there_with_the_answer(world: World) -> None:
    written(world)
    assert world.call(KEY, "POST", "/queue/pause", jobType="other").status_code == 200
    (entry,) = world.sql.run("select * from audit_log where actor = 'service key'")
    assert (entry["action"], entry["target"], entry["status"]) == ("POST /queue/pause", "/queue/pause", 200)
    assert entry["details"] == {"jobType": "other"} and entry["address"] == "127.0.0.1"
    assert abs(entry["at"] - datetime.now(UTC)) < timedelta(minutes=1)
    world.call(KEY, "POST", "/queue/resume", jobType="other")
    world.call(KEY, "POST", "/jobs/bulk", action="cancel", filter={"type": "other"}, dryRun=True)
    world.call(KEY, "POST", "/jobs/nothing/cancel")
    world.call(KEY, "PUT", f"/users/{world.ada}/preferences", timezone="Nowhere/Here")
    world.call(KEY, "PUT", f"/users/{world.ada}/preferences", timezone="UTC", sms={"phone_verified": True}, odd="private")
    world.call(KEY, "POST", "/workers/drain", worker="celery@host/1a2b3c")
    entries = written(world)[1:]
    assert [e["details"] for e in entries[-2:]] == [{"changed": ["sms.phone_verified", "timezone"]}, {"worker": "celery@host/1a2b3c"}]
    assert [(e["action"], e["target"], e["status"]) for e in entries] == [
        ("POST /queue/resume", "/queue/resume", 200),
        ("POST /jobs/bulk", "/jobs/bulk", 200),
        ("POST /jobs/<job_id>/cancel", "/jobs/nothing/cancel", 404),
        ("PUT /users/<user_id>/preferences", f"/users/{world.ada}/preferences", 400),
        ("PUT /users/<user_id>/preferences", f"/users/{world.ada}/preferences", 200),
        ("POST /workers/drain", "/workers/drain", 404),
    ]


def test_jobs_that_it_adds_are_there_too(world: World) -> None:
    written(world)
    job = {"jobType": "send_email", "userId": str(world.ada), "metadata": {"to": "ada@example.com", "subject": "s", "text": "private"}}
    world.call(KEY, "POST", "/queue/email", userId=str(world.ada), to="ada@example.com", subject="private", text="private")
    world.call(KEY, "POST", "/queue/bulk", jobs=[job, job])
    one, two = written(world)
    assert (one["details"], two["details"]) == ({"userId": str(world.ada)}, {"jobs": 2})
    assert "private" not in str(one) + str(two), "what a request carries is not for a log"


def test_many_at_once_are_all_there(world: World) -> None:
    written(world)
    audit = world.app.extensions["buildos.audit"]

    def act(number: int) -> None:
        audit.note(Entry(NOW, "service key", None, "POST /x", f"/x/{number}", 200), at_once=number % 3 == 0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(200)))
    assert sorted(entry["target"] for entry in written(world)) == sorted(f"/x/{number}" for number in range(200))


def test_looking_and_users_are_not_in_it(world: World) -> None:
    written(world)
    world.call(KEY, "GET", f"/users/{world.ada}/jobs")
    world.call(world.ada, "POST", "/queue/brief", userId=str(world.ada))
    world.call(world.ada, "POST", "/queue/pause", jobType="other")
    world.call(None, "POST", "/queue/pause", jobType="other")
    assert written(world) == []


@pytest.mark.parametrize("role", ["service_role", "authenticated", "authenticated_writer", "anon"])
def test_who_is_not_the_owner_changes_and_removes_nothing(world: World, role: str) -> None:
    world.sql.run("insert into audit_log (actor, action, target, status) values ('test', 'a', 't', 200)")
    for statement in ("update audit_log set actor = 'me'", "delete from audit_log", "truncate audit_log"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), world.sql.connection.transaction():
            world.sql.run(f"set local role {role}")
            world.sql.run(statement)
    with world.sql.connection.transaction(force_rollback=True):
        world.sql.run(f"set local role {role}")
        if role == "service_role":
            assert world.sql.value("select count(*) from audit_log") >= 1
            assert world.sql.value("select prune_audit_log(now() + interval '1 year', 1000)") == 0, "the last 30 days stay"
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                world.sql.run("select 1 from audit_log")


def test_old_entries_are_removed(world: World) -> None:
    world.sql.run("delete from audit_log")
    world.sql.run(
        "insert into audit_log (at, actor, action, target, status) "
        "select now() - make_interval(days => d), 'test', 'a', 't', 200 from generate_series(10, 500, 10) d"
    )
    engine = world.app.extensions["buildos"].engine
    assert sum(prune(partial(transaction, engine), datetime.now(UTC), 400)) == 11
    assert sum(prune(partial(transaction, engine), datetime.now(UTC), 0)) == 37, "whatever is asked for, the last 30 days stay"
    assert world.sql.value("select count(*) from audit_log") == 2


def test_what_cannot_be_written_waits(world: World) -> None:
    written(world)
    address = world.app.extensions["buildos"].engine.url
    proxy = Proxy(address.port)
    through = create_engine(address.set(host="127.0.0.1", port=proxy.port), connect_args={"connect_timeout": 2})
    audit = Audit(through)
    proxy.refuse(True)
    for number in range(3):
        audit.note(Entry(NOW, "service key", None, "POST /x", f"/x/{number}", 200), at_once=True)
    assert world.sql.value("select count(*) from audit_log where actor = 'service key'") == 0
    proxy.refuse(False)
    audit.write()
    assert [entry["target"] for entry in written(world)] == ["/x/0", "/x/1", "/x/2"]
    through.dispose()
    proxy.close()
