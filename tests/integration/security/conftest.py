"""The API with AUTH_MODE=jwt, on a database with rows of two users in every table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Blueprint, Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.db.commit import transaction
from app.web.app import create_app
from app.web.endpoint import OtherReply, endpoint, reading, services
from app.wiring import build
from tests.support import filling, servers
from tests.support.jobs import Client, sql_client
from tests.support.tokens import KEY, SECRET, token

NOBODY = "redis://127.0.0.1:1/0"  # the API works without a broker


class World:
    """Ada, Bob, and the API. A forgetful endpoint runs whatever statement it is told, for whoever calls."""

    def __init__(self, app: Flask, sql: Client, ada: UUID, bob: UUID) -> None:
        self.app, self.sql, self.ada, self.bob = app, sql, ada, bob
        self._http = app.test_client()
        self.statement: tuple[str, bool] = ("", False)
        forgetful = Blueprint("forgetful", __name__)
        endpoint(forgetful, "GET", "/forgetful", reply=OtherReply(200, "rows"))(self._run)
        app.register_blueprint(forgetful)

    def call(self, caller: Any, method: str, path: str, **body: Any) -> TestResponse:
        """A request of a user, with the service key (`KEY`), or of nobody (None)."""
        return self._http.open(path, method=method, json=body or None, headers=self.headers(caller))

    @staticmethod
    def headers(caller: Any) -> dict[str, str]:
        bearer = KEY if caller == KEY else caller and token(caller)
        return {"Authorization": f"Bearer {bearer}"} if bearer else {}

    def run(self, caller: Any, statement: str, *, writing: bool = False) -> Any:
        """What an endpoint gets that runs this statement and filters nothing: rows, or the status of its error."""
        self.statement = statement, writing
        answer = self.call(caller, "GET", "/forgetful")
        return answer.json["rows"] if answer.status_code == 200 else answer.status_code

    def _run(self) -> dict[str, Any]:
        """Run a statement"""
        statement, writing = self.statement
        with transaction(services().engine) if writing else reading() as conn:
            return {"rows": [[str(value) for value in row] for row in conn.execute(text(statement))]}


@pytest.fixture(scope="module")
def make_world(postgres_server: Any, template_database: str) -> Iterator[Callable[..., World]]:
    with servers.new_database(postgres_server, template_database) as database, sql_client(database) as sql:
        ada, bob = filling.fill(sql, ["ada@example.com", "bob@example.com"])

        def make(**parts: Any) -> World:
            settings = servers.plain_settings(
                database_url=database.url, redis_url=NOBODY, auth_mode="jwt", jwt_secret=SECRET, service_key=KEY
            )
            return World(create_app(build(settings, engine=database.engine, **parts)), sql, ada, bob)

        yield make


@pytest.fixture(scope="module")
def world(make_world: Callable[..., World]) -> World:
    return make_world()
