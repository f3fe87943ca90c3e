"""The API in this process, with somebody who lives in Berlin."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from tests.support.people import add_user
from tests.support.servers import Database

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)


def rows(engine: Engine, query: str, **values: Any) -> list[tuple]:
    """All rows of a query."""
    with engine.begin() as conn:
        return [tuple(row) for row in conn.execute(text(query), values)]


@pytest.fixture
def user(database: Database) -> UUID:
    return add_user(database.engine, timezone="Europe/Berlin")
