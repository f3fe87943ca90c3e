"""Settings: the environment wins, a wrong value is named, the page says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import SettingsError, load_settings
from app.settings_table import table


def load(monkeypatch: pytest.MonkeyPatch, **env: str):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return load_settings(_env_file=None)


def test_a_profile_only_fills_what_the_environment_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch).queue_poll_interval == 2000
    production = load(monkeypatch, APP_ENV="production")
    assert (production.queue_poll_interval, production.queue_batch_size, production.auth_mode) == (5000, 10, "jwt")
    assert load(monkeypatch, QUEUE_POLL_INTERVAL="700").queue_poll_interval == 700


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUEUE_BATCH_SIZE", "many"), ("PORT", "70000"), ("DATABASE_URL", "mysql://x"), ("REDIS_URL", "http://x"),
        ("AUTH_MODE", "maybe"), ("RETRY_BACKOFF_BASE", "0"), ("QUEUE_TRANSPORT", "pigeon"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load(monkeypatch, **{name: value})


def test_no_address_with_a_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as error:
        load(monkeypatch, DATABASE_URL="mysql://me:secret-word@host/db")
    assert "secret-word" not in str(error.value)


def test_heartbeats_are_fast_enough_for_the_stalled_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, QUEUE_STALLED_TIMEOUT="3000").queue_heartbeat_interval == 1000


def test_the_page_of_settings_is_up_to_date(root: Path) -> None:
    assert (root / "docs/settings.md").read_text(encoding="utf-8") == table(), "python -m app.settings_table > docs/settings.md"
