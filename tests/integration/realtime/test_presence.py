"""A user's own connections that are online: told when one comes or goes, on whichever server, however it ends (CONTRACT 14)."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text

from app.realtime.presence import Presence
from tests.support.api import Browser
from tests.support.people import add_user


def online(answer) -> list[str]:
    assert answer["status"] == "OK", answer
    return [one["id"] for one in answer["connections"]]


def told(browser: Browser) -> list[tuple[str, str]]:
    """What it heard of connections: INSERT or DELETE, and the id."""
    return [
        (change["eventType"], (change["new"] or change["old"])["id"])
        for change in browser.named("postgres_changes")
        if change["table"] == "realtime_connections"
    ]


def test_who_asks_is_online_until_it_leaves(browser, ann, bob):
    first, second, other, quiet = browser(ann), browser(ann), browser(bob), browser(ann)
    one = first.call("presence")
    two = second.call("presence")
    assert online(one) == [one["connection"]]
    assert online(two) == [one["connection"], two["connection"]]
    assert len(online(other.call("presence"))) == 1, "another user's are not shown"
    first.wait_for(lambda b: told(b) == [("INSERT", one["connection"]), ("INSERT", two["connection"])])
    assert set(first.named("postgres_changes")[0]["new"]) == {"id", "user_id", "since"}

    second.leave()
    first.wait_for(lambda b: told(b)[2:] == [("DELETE", two["connection"])])
    again = first.call("presence")
    assert (again["connection"], online(again)) == (one["connection"], [one["connection"]]), "asking twice adds nothing"
    quiet.wait_for(lambda b: len(told(b)) == 3)
    assert {payload["new"].get("user_id") for payload in other.named("postgres_changes")} == {str(bob)}


@pytest.fixture
def server(database):
    """Makes servers whose moments pass only when they are told to."""
    return lambda silent: Presence(database.engine, lambda run: None, silent=silent)


def rows(database, user_id) -> list[str]:
    with database.engine.connect() as conn:
        return [
            str(one) for one in conn.execute(text("select id from realtime_connections where user_id = :u order by since"), {"u": user_id}).scalars()
        ]  # fmt: skip


def test_a_server_that_was_killed_is_buried_by_another(database, server, ann):
    dead, alive = server(3600), server(3600)
    gone, kept = uuid4(), uuid4()
    dead.enter(gone, ann)
    assert [one["id"] for one in alive.enter(kept, ann)] == [str(gone), str(kept)]
    alive.agree()
    assert rows(database, ann) == [str(gone), str(kept)], "it may be alive"
    with database.engine.begin() as conn:
        conn.execute(
            text("update realtime_servers set seen_at = seen_at - interval '2 hours' where id = :id"),
            {"id": dead._server},
        )
    assert [one["id"] for one in alive.enter(kept, ann)] == [str(kept)], "what is dead is not shown, buried or not"
    alive.agree()
    assert rows(database, ann) == [str(kept)]
    dead.agree()
    assert sorted(rows(database, ann)) == sorted([str(gone), str(kept)]), (
        "it was only slow: it is back, with its connections"
    )


def test_what_could_not_be_written_is_made_good(database, server, ann):
    mine, other = server(3600), uuid4()
    stays = uuid4()
    mine.enter(stays, ann)
    mine.enter(other, ann)
    with database.engine.begin() as conn:
        conn.execute(text("delete from realtime_connections where id = :id"), {"id": stays})
    mine.leave(other)
    mine.agree()
    assert rows(database, ann) == [str(stays)]
    mine.close()
    assert rows(database, ann) == []


def test_a_user_who_was_deleted_is_not_online(database, server):
    user = add_user(database.engine)
    mine, one = server(3600), uuid4()
    mine.enter(one, user)
    with database.engine.begin() as conn:
        conn.execute(text("delete from users where id = :id"), {"id": user})
    mine.agree()
    assert mine.enter(uuid4(), user) == []
