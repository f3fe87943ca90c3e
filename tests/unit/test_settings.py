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


def test_a_value_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of the file\n")
    loaded = load(monkeypatch, SERVICE_KEY_FILE=str(tmp_path / "key"), TWILIO_ACCOUNT_SID_FILE=str(tmp_path / "key"))
    assert loaded.service_key is not None and loaded.service_key.get_secret_value() == "of the file"
    assert loaded.private_twilio_account_sid == "of the file"


def test_the_environment_wins_over_a_file_that_the_env_file_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://from-the-file.example")
    (tmp_path / "other").write_text("https://from-the-other-file.example")
    (tmp_path / "env").write_text(f"PUBLIC_URL_FILE={tmp_path / 'other'}\nJWT_SECRET_FILE={tmp_path / 'url'}\n")
    monkeypatch.setenv("PUBLIC_RAILWAY_WORKER_URL", "https://from-the-environment.example")
    loaded = load_settings(_env_file=tmp_path / "env")
    assert loaded.public_url == "https://from-the-environment.example"
    assert loaded.jwt_secret is not None and loaded.jwt_secret.get_secret_value() == "https://from-the-file.example"
    monkeypatch.delenv("PUBLIC_RAILWAY_WORKER_URL")
    monkeypatch.setenv("PUBLIC_URL_FILE", str(tmp_path / "url"))
    (tmp_path / "env").write_text("PUBLIC_URL=https://from-the-env-file.example\n")
    assert load_settings(_env_file=tmp_path / "env").public_url == "https://from-the-file.example"


def test_a_file_that_cannot_be_read_and_a_value_given_twice_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for wrong, words in (
        ({"JWT_SECRET_FILE": str(tmp_path / "none")}, "JWT_SECRET_FILE: .* cannot be read: No such file"),
        ({"JWT_SECRET_FILE": str(tmp_path / "bytes")}, "JWT_SECRET_FILE: .* it is no text"),
        ({"JWT_SECRET_FILE": str(tmp_path / "none"), "JWT_SECRET": "x"}, "JWT_SECRET: give it or JWT_SECRET_FILE, not both"),
    ):
        with monkeypatch.context() as patch, pytest.raises(SettingsError, match=words):
            load(patch, **wrong)


def test_heartbeats_are_fast_enough_for_the_stalled_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, QUEUE_STALLED_TIMEOUT="3000").queue_heartbeat_interval == 1000


def test_the_page_of_settings_is_up_to_date(root: Path) -> None:
    assert (root / "docs/settings.md").read_text(encoding="utf-8") == table(), "python -m app.settings_table > docs/settings.md"
