"""The ground the other tests stand on: fresh databases, fresh Redis, on every Postgres at hand."""

from __future__ import annotations

import psycopg
import pytest
import redis
from sqlalchemy import text

from app.embedded.postgres import PostgresServer
from app.settings import Settings
from tests.support.servers import Database


@pytest.mark.parametrize("turn", ["first", "second"])
def test_every_test_has_a_migrated_database_of_its_own(database: Database, turn: str) -> None:
    with database.engine.begin() as conn:
        assert conn.execute(text("select count(*) from users")).scalar_one() == 0
        conn.execute(text("insert into users (email) values (:email)"), {"email": f"{turn}@example.com"})


@pytest.mark.parametrize("turn", ["first", "second"])
def test_every_test_has_an_empty_redis_of_its_own(redis_url: str, turn: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("turn", turn)


def test_settings_point_to_them(settings: Settings, database: Database, redis_url: str) -> None:
    assert (settings.database_url, settings.redis_url) == (database.url, redis_url)


def test_each_postgres_answers(each_postgres: PostgresServer) -> None:
    with psycopg.connect(each_postgres.url()) as connection:
        assert connection.execute("select current_setting('server_version_num')::int >= 140000").fetchone() == (True,)
