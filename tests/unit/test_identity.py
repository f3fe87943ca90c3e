"""Who is calling, from what was sent (CONTRACT 10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
import pytest

from app.identity.binding import check_bind, is_loopback
from app.identity.caller import CallerKind
from app.identity.tokens import NotAuthenticated, bearer_token, identify
from app.settings import SettingsError
from tests.support.servers import plain_settings

SECRET = "a secret of thirty-two characters!"
KEY = "the service key"
USER = UUID("6355a033-7a9d-461c-9d69-58f28e125137")
CLOSED = plain_settings(auth_mode="jwt", jwt_secret=SECRET, service_key=KEY)


def token(secret=SECRET, algorithm="HS256", **changes):
    claims = {"sub": str(USER), "aud": "authenticated", "exp": datetime.now(UTC) + timedelta(hours=1)} | changes
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, algorithm=algorithm)


def test_open_mode_asks_nobody():
    caller = identify(plain_settings(), None)
    assert (
        caller.kind is CallerKind.OPEN and caller.is_operator and caller.may_act_for(USER) and caller.may_act_for(None)
    )


def test_the_service_key_opens_everything():
    caller = identify(CLOSED, KEY)
    assert caller.kind is CallerKind.SERVICE and caller.is_operator and caller.may_act_for(uuid4())


def test_a_token_opens_its_users_data_alone():
    caller = identify(CLOSED, token())
    assert (caller.kind, caller.user_id, caller.is_operator) == (CallerKind.USER, USER, False)
    assert caller.may_act_for(USER) and not caller.may_act_for(uuid4()) and not caller.may_act_for(None)


def test_without_a_token_it_is_a_stranger():
    caller = identify(CLOSED, None)
    assert (
        not caller.is_known and not caller.is_operator and not caller.may_act_for(USER) and not caller.may_act_for(None)
    )


@pytest.mark.parametrize(
    "bad",
    [
        "", "x", "a.b.c", KEY + "x", "é", "\x00",
        token(secret="another secret of thirty-two chars"),
        token(exp=datetime.now(UTC) - timedelta(minutes=5)), token(exp=None), token(sub=None), token(sub="me"),
        token(aud="anon"), token(aud=None), token(algorithm="HS512"), jwt.encode({"sub": str(USER)}, "", algorithm="none"),
    ],
)  # fmt: skip
def test_what_is_neither_key_nor_token_is_refused(bad):
    if bad == "":
        assert not identify(CLOSED, bad).is_known
        return
    with pytest.raises(NotAuthenticated) as refused:
        identify(CLOSED, bad)
    assert bad not in str(refused.value)


def test_an_empty_key_or_secret_opens_nothing():
    for settings in (
        plain_settings(auth_mode="jwt", service_key="", jwt_secret=SECRET),
        plain_settings(auth_mode="jwt", service_key=KEY),
    ):
        for given in (" ", token(secret="x" * 32)):
            with pytest.raises(NotAuthenticated):
                identify(settings, given)


def test_only_a_bearer_is_read():
    assert bearer_token(None) is None and bearer_token("bearer  abc ") == "abc"
    for odd in ("Basic abc", "Bearer", "Bearer "):
        with pytest.raises(NotAuthenticated):
            bearer_token(odd)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_loopback_is_this_machine(host):
    assert is_loopback(host)
    check_bind(plain_settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "example.org", "127.0.0.1.example.org"])
def test_open_mode_is_not_served_elsewhere(host):
    with pytest.raises(SettingsError, match="ALLOW_OPEN_BIND"):
        check_bind(plain_settings(host=host))
    check_bind(plain_settings(host=host, allow_open_bind=True))
    check_bind(plain_settings(host=host, auth_mode="jwt", service_key=KEY))


def test_jwt_mode_needs_something_to_check_with():
    with pytest.raises(SettingsError, match="JWT_SECRET"):
        check_bind(plain_settings(auth_mode="jwt"))
