"""Production does not start without secrets (CONTRACT 10)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.identity.binding import check_bind
from app.identity.secrets import check_secrets
from app.settings import Settings, SettingsError
from tests.support.servers import plain_settings

GOOD = {
    "app_env": "production",
    "auth_mode": "jwt",
    "database_url": "postgresql://api:J2kf8sLq0xPz@db.internal/app",
    "service_key": "sk_7f3b2c9d8e1a4f60b5d2",
    "jwt_secret": "9fK2mQx7vL4pRz8tW1yB6nC3dE5gH0jS",
}


def production(**changes: Any) -> Settings:
    return plain_settings(**{name: value for name, value in (GOOD | changes).items() if value is not None})


def test_good_ones_pass() -> None:
    check_bind(production())
    check_bind(production(jwt_secret=None, jwks_url="https://id.example.com/jwks.json"))
    check_bind(production(private_buildos_webhook_secret="hJ3kd8sKq0xPzTr5", redis_url="redis://:J2kf8sLq0xPz@redis:6379/0"))


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        check_bind(plain_settings(app_env="production", auth_mode="jwt", private_twilio_account_sid="AC1"))
    for name in ("SERVICE_KEY", "JWT_SECRET", "JWKS_URL", "DATABASE_URL", "PRIVATE_TWILIO_AUTH_TOKEN"):
        assert name in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("service_key", ""), ("service_key", "   "), ("service_key", "tiny"), ("service_key", "changeme-changeme-changeme"),
        ("service_key", "aaaaaaaaaaaaaaaaaaaaaaaaa"), ("service_key", GOOD["jwt_secret"]), ("service_key", "your-service-key-goes-here"),
        ("jwt_secret", "9fK2mQx7vL4pRz8tW1yB6nC3d"), ("jwt_secret", "super-secret-jwt-token-with-at-least-32-characters-long"),
        ("private_buildos_webhook_secret", "tiny"), ("private_buildos_webhook_secret", "password-password-password"),
        ("database_url", "postgresql://postgres:postgres@db/app"), ("database_url", "postgresql://app:PASSWORD@db/app"),
        ("database_direct_url", "postgresql://app:buildos@db/app"), ("redis_url", "redis://:redis@redis:6379/0"),
    ],
)  # fmt: skip
def test_what_is_no_secret_is_named_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_bind(production(**{name: value}))
    assert re.findall(r"(?:^|; )([A-Z_]+):", str(refused.value)) == [name.upper()]
    assert not value.strip() or value not in str(refused.value)
    check_bind(plain_settings(**(GOOD | {"app_env": "development", name: value})))


def test_a_worker_needs_no_keys_of_callers_and_no_known_password_either() -> None:
    check_secrets(production(service_key=None, jwt_secret=None), serving=False)
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        check_secrets(production(database_url="postgresql://postgres:postgres@db/app"), serving=False)
    with pytest.raises(SettingsError, match="DATABASE_URL: is missing"):
        check_secrets(production(database_url=None), serving=False)
