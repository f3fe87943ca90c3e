from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection


@pytest.fixture
def conn(database) -> Iterator[Connection]:
    """One transaction on this test's database, never committed."""
    with database.engine.connect() as opened:
        yield opened
