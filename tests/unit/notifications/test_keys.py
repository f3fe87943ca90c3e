"""`buildos vapid-keys`, and the settings it prints."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.settings import SettingsError
from tests.support.servers import plain_settings


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    """The printed lines as keyword arguments."""
    printed = CliRunner().invoke(app, ["vapid-keys"])
    assert printed.exit_code == 0
    lines = dict(line.split("=", 1) for line in printed.output.splitlines())
    return {name.lower(): value for name, value in lines.items()}


def test_the_lines_are_settings_that_work(keys: dict[str, str]) -> None:
    settings = plain_settings(**keys)
    assert settings.vapid_public_key == keys["vapid_public_key"] and len(keys["vapid_public_key"]) == 87
    assert settings.vapid_private_key.get_secret_value() == keys["vapid_private_key"]


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"vapid_private_key": ""}, "VAPID_PRIVATE_KEY"),
        ({"vapid_private_key": "A" * 43}, "VAPID_PRIVATE_KEY"),
        ({"vapid_private_key": "no key"}, "VAPID_PRIVATE_KEY"),
        ({"vapid_public_key": "B" * 87}, "VAPID_PRIVATE_KEY"),
        ({"vapid_subject": ""}, "VAPID_SUBJECT"),
        ({"vapid_subject": "you@example.com"}, "VAPID_SUBJECT"),
    ],
    ids=str,
)
def test_a_wrong_key_is_named_and_not_shown(keys: dict[str, str], wrong: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=name) as raised:
        plain_settings(**keys | wrong)
    assert keys["vapid_private_key"] not in str(raised.value)
