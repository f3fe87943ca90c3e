"""The API in this process, on a real database and Redis."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from app.features.upkeep import UpkeepService
from app.settings import Settings
from app.web.app import create_app
from tests.support.clock import FixedClock
from tests.support.people import add_user
from tests.support.servers import Database

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass
class Parts:
    """What create_app needs."""

    settings: Settings
    engine: Engine
    clock: FixedClock
    brain_dumps: object = None

    @property
    def upkeep(self) -> UpkeepService:
        return UpkeepService(self.engine, self.clock, self.settings)


@pytest.fixture
def parts(database: Database, settings: Settings) -> Parts:
    return Parts(settings, database.engine, FixedClock(NOON))


@pytest.fixture
def app(parts: Parts) -> Flask:
    return create_app(parts)


@pytest.fixture
def http(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def user(database: Database) -> UUID:
    """Somebody who lives in New York."""
    return add_user(database.engine, timezone="America/New_York")
