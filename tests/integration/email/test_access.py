"""Who may read what of mail (row-level security), and that the migration goes both ways."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tests.integration.email.conftest import World
from tests.support.servers import Database, alembic

OWNED = ("email_recipients", "email_links", "email_logs", "email_tracking_events")


@pytest.fixture
def sent(world: World) -> World:
    """A world whose mail was sent, opened and clicked."""
    world.service().send_brief(world.claimed(world.job()))
    recipient = world.one("email_recipients")["id"]
    world.add("email_tracking_events", email_id=world.email, recipient_id=recipient, event_type="opened")
    return world


def seen_by(world: World, role: str, user: object, table: str) -> int:
    with world.engine.begin() as conn:
        conn.execute(text(f"set local role {role}"))
        conn.execute(text("select set_config('request.jwt.claim.sub', :user, true)"), {"user": str(user)})
        return conn.execute(text(f"select count(*) from {table}")).scalar_one()


@pytest.mark.parametrize("table", OWNED)
def test_rows_are_their_users_to_read(sent: World, table: str) -> None:
    bob = sent.add("users", email="bob@example.com")
    assert seen_by(sent, "authenticated", sent.user, table) == 1
    assert seen_by(sent, "authenticated", bob, table) == 0
    assert seen_by(sent, "service_role", bob, table) == 1


@pytest.mark.parametrize(
    ("role", "table"),
    [*(("anon", t) for t in OWNED), ("anon", "webhook_signatures"), ("authenticated", "webhook_signatures")],
)
def test_strangers_read_nothing(sent: World, role: str, table: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        seen_by(sent, role, sent.user, table)


@pytest.mark.parametrize("table", OWNED)
@pytest.mark.parametrize("statement", ["delete from {}", "update {} set user_id = user_id", "truncate {}"])
def test_users_change_nothing(sent: World, table: str, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), sent.engine.begin() as conn:
        conn.execute(text("set local role authenticated"))
        conn.execute(text(statement.format(table)))


def test_a_user_who_leaves_takes_all_of_it_along(sent: World) -> None:
    sent.run_sql("update queue_jobs set status = 'cancelled'")
    sent.run_sql("delete from users")
    assert [sent.rows(f"select from {table}") for table in OWNED] == [[]] * 4


def test_the_migration_goes_both_ways_with_mail_in_it(sent: World, database: Database) -> None:
    alembic(database.url, "downgrade", "0004_schedules")
    assert sent.one("emails")["status"] == "sent"
    alembic(database.url, "upgrade", "head")
    assert sent.one("emails")["message_id"] is None and sent.rows("select from email_logs") == []
