"""What an error of the database says, as it ends up in logs and in jobs."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.engine import make_engine
from app.logs import mask
from app.settings import Settings


def test_an_error_names_no_value(settings: Settings) -> None:
    engine = make_engine(settings)
    with engine.begin() as conn, pytest.raises(DBAPIError) as refused:
        conn.execute(text("insert into users (email, name) values (:email, :name)"), {"email": None, "name": "See Dr. Miller"})
    engine.dispose()
    assert "Miller" not in mask(str(refused.value)) and 'null value in column "email"' in mask(str(refused.value))
