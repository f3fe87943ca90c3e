"""A real server process on one database for the whole folder: users are many, so that tests do not meet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.support.api import Api, Browser, running_api
from tests.support.people import add_user
from tests.support.servers import ROOT, Database, new_database


@pytest.fixture(scope="package")
def database(postgres_server, template_database) -> Iterator[Database]:
    with new_database(postgres_server, template_database) as database:
        yield database


@pytest.fixture(scope="package")
def api_env(database, redis_server) -> dict[str, str]:
    """The environment of a server process."""
    server, numbers = redis_server
    urls = {"DATABASE_URL": database.url, "REDIS_URL": server.url_of(next(numbers))}
    return {**os.environ, **urls, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="package")
def api(api_env, tmp_path_factory) -> Iterator[Api]:
    with running_api(api_env, tmp_path_factory.mktemp("api")) as api:
        yield api


@pytest.fixture
def ann(database) -> UUID:
    return add_user(database.engine)


@pytest.fixture
def bob(database) -> UUID:
    return add_user(database.engine)


@pytest.fixture
def browser(api):
    """Make browsers of a user; they are closed at the end."""
    made = []

    def open_browser(user_id, url: str | None = None, **auth) -> Browser:
        made.append(Browser(url or api.url, {"userId": str(user_id)}).connect(**auth))
        return made[-1]

    yield open_browser
    for item in made:
        item.leave()
