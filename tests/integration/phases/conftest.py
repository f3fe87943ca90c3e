"""A world of plans."""

from __future__ import annotations

import pytest

from tests.support.plan_world import PlanWorld
from tests.support.servers import Database


@pytest.fixture
def world(database: Database, redis_url: str) -> PlanWorld:
    return PlanWorld(database, redis_url)
