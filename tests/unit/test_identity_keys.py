"""Tokens of an identity provider: its keys come, go, and are away (CONTRACT 10)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.identity.caller import CallerKind
from app.identity.keys import FRESH, KEPT, PAUSE, KeysAway, KeySet, keys_at
from app.identity.tokens import LEEWAY, NotAuthenticated, identify
from app.settings import Settings, SettingsError, load_settings
from tests.support.jwks_server import ISSUER, Provider, identity_provider, private_key, public_jwk, signed
from tests.support.servers import plain_settings

USER = UUID("6355a033-7a9d-461c-9d69-58f28e125137")
SECRET = "a secret of thirty-two characters!"
PEM = private_key("rsa-1").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with identity_provider() as provider:
        yield provider


@pytest.fixture
def settings(provider: Provider) -> Settings:
    return plain_settings(auth_mode="jwt", jwks_url=provider.url, jwt_issuer=ISSUER, service_key="the key")


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("name", ["rsa-1", "ec-1"])
def test_a_token_of_the_provider_is_its_users(settings: Settings, name: str) -> None:
    caller = identify(settings, signed(name, USER))
    assert (caller.kind, caller.user_id) == (CallerKind.USER, USER)
    assert identify(settings, "the key").kind is CallerKind.SERVICE


@pytest.mark.parametrize("exp", [4_102_444_800, 4_102_444_800.5, "4102444800", 10**400])
def test_it_is_known_when_a_token_is_over(exp: Any) -> None:
    caller = identify(plain_settings(auth_mode="jwt", jwt_secret=SECRET), jwt.encode({"sub": str(USER), "aud": "authenticated", "exp": exp}, SECRET))
    assert caller.until == int(exp) + LEEWAY


def confused() -> str:
    """The public key, which everybody has, taken for a shared secret; PyJWT itself refuses to sign so."""
    head, body, _ = signed("rsa-1", USER).split(".")
    head = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "kid": "rsa-1", "typ": "JWT"}).encode()).decode()
    mac = jwt.utils.base64url_encode(jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(f"{head}.{body}".encode(), PEM))
    return f"{head}.{body}.{mac.decode()}"


def renamed(alg: str) -> str:
    head, body, signature = signed("rsa-1", USER).split(".")
    head = jwt.utils.base64url_encode(json.dumps({"alg": alg, "kid": "rsa-1"}).encode()).decode()
    return f"{head}.{body}.{'' if alg == 'none' else signature}"


BAD: dict[str, Callable[[], str]] = {
    "expired": lambda: signed("rsa-1", USER, exp=datetime.now(UTC) - timedelta(minutes=5)),
    "never expires": lambda: signed("rsa-1", USER, exp=None),
    "not yet": lambda: signed("rsa-1", USER, nbf=datetime.now(UTC) + timedelta(minutes=5)),
    "another audience": lambda: signed("rsa-1", USER, aud="anon"),
    "no audience": lambda: signed("rsa-1", USER, aud=None),
    "another issuer": lambda: signed("rsa-1", USER, iss="https://evil.example.com"),
    "no issuer": lambda: signed("rsa-1", USER, iss=None),
    "nobody": lambda: signed("rsa-1", "me"),
    "no subject": lambda: signed("rsa-1", USER, sub=None),
    "a program's key": lambda: signed("rsa-1", USER, role="service_role"),
    "an unknown key": lambda: signed("rsa-2", USER),
    "another key under a known name": lambda: signed("rsa-2", USER, kid="rsa-1"),
    "a key of the other kind": lambda: signed("ec-1", USER, kid="rsa-1"),
    "the public key as a secret": confused,
    "none": lambda: renamed("none"),
    "None": lambda: renamed("None"),
    "another algorithm's name": lambda: renamed("ES256"),
    "a longer hash": lambda: signed("rsa-1", USER, alg="RS512"),
    "padding": lambda: signed("rsa-1", USER, alg="PS256"),
    "a shared secret": lambda: jwt.encode({"sub": str(USER)}, SECRET, algorithm="HS256"),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_what_is_no_token_of_the_provider(settings: Settings, make: Callable[[], str]) -> None:
    both = Settings.model_validate(settings.model_dump() | {"jwt_secret": SECRET})
    for known in (settings, both):
        with pytest.raises(NotAuthenticated):
            identify(known, make())


def test_the_secret_and_the_provider_side_by_side(settings: Settings) -> None:
    both = Settings.model_validate(settings.model_dump() | {"jwt_secret": SECRET})
    ours = jwt.encode({"sub": str(USER), "aud": "authenticated", "iss": ISSUER, "exp": 4102444800}, SECRET, algorithm="HS256")
    assert identify(both, ours).user_id == identify(both, signed("ec-1", USER)).user_id == USER
    with pytest.raises(NotAuthenticated):
        identify(settings, ours)


def test_keys_that_are_no_good_are_not_used(provider: Provider) -> None:
    shared = {"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMw", "alg": "HS256"}
    private = jwt.algorithms.ECAlgorithm.to_jwk(private_key("ec-1"), as_dict=True) | {"kid": "private"}
    provider.published = ["weak", shared, private, {**public_jwk("ec-1"), "kid": "enc", "use": "enc"}, {"kty": "?"}, "ec-1"]
    keys = KeySet(provider.url)
    assert [keys.find(name) is not None for name in ("weak", "shared", "private", "enc", "ec-1")] == [False] * 4 + [True]
    assert keys.find(None) is not None, "the only one needs no name"


def test_keys_are_changed(provider: Provider) -> None:
    clock, later = Time(), []
    keys = KeySet(provider.url, clock=clock, spawn=later.append)
    assert keys.find("rsa-1") and provider.asked == 1
    provider.published = ["ec-2"]
    clock.now += PAUSE + 1
    assert keys.find("ec-2") and provider.asked == 2, "a new one is looked for"
    assert keys.find("rsa-1") is None and provider.asked == 2, "an old one is no longer good"
    clock.now += FRESH + 1
    assert keys.find("ec-2") and provider.asked == 2 and later, "in the background"
    for look in later:
        look()
    assert provider.asked == 3


def test_names_that_strangers_make_up_cost_one_look(provider: Provider) -> None:
    clock = Time()
    keys = KeySet(provider.url, clock=clock)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(keys.find, (f"made-up-{n}" for n in range(100)))) == [None] * 100
    assert provider.asked == 1
    clock.now += PAUSE + 1
    assert keys.find("another") is None and provider.asked == 2


def test_an_address_that_is_away_keeps_nobody_out(provider: Provider) -> None:
    clock, later = Time(), []
    keys = KeySet(provider.url, clock=clock, spawn=later.append)
    assert keys.find("rsa-1")
    provider.away = True
    clock.now += FRESH + 1
    assert keys.find("rsa-1") and provider.asked == 1
    later.pop()()
    assert keys.find("rsa-1") and provider.asked == 2 and not later, "not asked again at once"
    with pytest.raises(KeysAway):
        keys.find("rsa-2")
    clock.now += KEPT
    with pytest.raises(KeysAway):
        keys.find("rsa-1")
    provider.away = False
    clock.now += PAUSE + 1
    assert keys.find("rsa-1")


def test_an_address_that_says_nothing_holds_up_no_known_key(provider: Provider) -> None:
    keys = keys_at(provider.url)
    assert keys is keys_at(provider.url) and keys.find("rsa-1")
    provider.held.clear()
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(KeySet(provider.url).find, "rsa-1")
        assert keys.find("rsa-1") and not stuck.done()
        provider.held.set()
        assert stuck.result(10)


@pytest.mark.parametrize("url", ["ftp://example.com", "http://example.com/jwks.json", "jwks.json"])
def test_where_keys_come_from_is_checked(url: str) -> None:
    with pytest.raises(SettingsError, match="JWKS_URL"):
        load_settings(jwks_url=url)


def test_nothing_is_said_of_the_token(settings: Settings) -> None:
    said: list[Any] = []
    for make in BAD.values():
        with pytest.raises(NotAuthenticated) as refused:
            identify(settings, make())
        said.append(str(refused.value))
    assert set(said) <= {"The token is not valid", "The token has expired", "The token names no user"}
