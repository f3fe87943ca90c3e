"""A database that is away is one line for whoever types `alembic`, and an error for the program (docs/upgrading.md)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from alembic.config import CommandLine
from sqlalchemy.exc import OperationalError

from app.db import migrate
from app.settings import get_settings

AWAY = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets DATABASE_URL."""

    def point(url: str) -> None:
        monkeypatch.setenv("DATABASE_URL", url)
        get_settings.cache_clear()

    yield point
    get_settings.cache_clear()


@pytest.mark.parametrize(("url", "said"), [(AWAY, "alembic: connection failed"), ("nonsense", "alembic: DATABASE_URL: expects postgresql://")])
def test_whoever_types_alembic_reads_one_line(point_at: Callable[[str], None], url: str, said: str) -> None:
    point_at(url)
    with pytest.raises(SystemExit) as stopped:
        CommandLine().main(["-c", str(migrate.ROOT / "alembic.ini"), "upgrade", "head"])
    assert str(stopped.value.code).startswith(said) and "\n" not in str(stopped.value.code)  # a text: exit code 1


def test_the_program_gets_the_error(point_at: Callable[[str], None]) -> None:
    point_at(AWAY)
    with pytest.raises(OperationalError):
        migrate.upgrade()
