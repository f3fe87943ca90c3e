"""How often anybody may call (CONTRACT 10)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from app.settings import SettingsError, load_settings
from app.web.app import create_app
from app.web.limits import PAUSE, PassingStorage, may_ask
from tests.chaos.proxy import Proxy
from tests.integration.web.conftest import Parts
from tests.support.people import add_user
from tests.support.tokens import KEY, SECRET, token

NOBODY = "redis://127.0.0.1:1/0"
FEW = {"rate_limit_user": "3/hour", "rate_limit_service": "5/hour", "rate_limit_stranger": "2/hour", "rate_limit_public": "4/hour"}

Call = Callable[..., TestResponse]


@pytest.fixture
def make(parts: Parts) -> Callable[..., FlaskClient]:
    """An API process with these settings."""

    def make(**changes: Any) -> FlaskClient:
        closed = {"auth_mode": "jwt", "jwt_secret": SECRET, "service_key": KEY, "rate_limits": True}
        settings = type(parts.settings).model_validate(parts.settings.model_dump() | closed | changes)
        return create_app(Parts(settings, parts.engine, parts.clock)).test_client()

    return make


def get(http: FlaskClient, bearer: str | None, path: str, address: str = "192.0.2.1", **headers: str) -> TestResponse:
    sent = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return http.get(path, headers={**sent, **headers}, environ_base={"REMOTE_ADDR": address})


def passing(http: FlaskClient, bearer: str | None, path: str, **more: str) -> int:
    """How many requests pass before one is refused."""
    for number in range(50):
        answer = get(http, bearer, path, **more)
        if answer.status_code == 429:
            assert answer.json == {"error": "Too many requests; try again later", "code": "too_many_requests"}
            assert 1 <= int(answer.headers["Retry-After"]) <= 3600
            return number
    raise AssertionError("nothing was refused")


def test_each_is_counted_as_who_it_is(make: Callable[..., FlaskClient], user: UUID, parts: Parts) -> None:
    http, other = make(**FEW), add_user(parts.engine)
    path = f"/users/{user}/jobs"
    assert passing(http, token(user), path) == 3
    assert passing(http, token(user), path, address="192.0.2.9") == 0, "wherever the calls come from"
    assert get(http, token(other), f"/users/{other}/jobs").status_code == 200, "another's do not count"
    assert passing(http, KEY, path) == 5
    assert passing(http, None, path) == 2
    assert passing(http, "nonsense", path) == 0, "who guesses keys is a stranger"
    assert get(http, "nonsense", path, address="192.0.2.2").status_code == 401
    assert passing(http, KEY, "/health", address="192.0.2.3") == 4, "what is public counts by address, whoever calls"
    assert passing(http, None, "/email/track/open/x", address="192.0.2.3") == 0
    assert passing(http, None, "/docs", address="192.0.2.4") == 4


def test_processes_count_together(make: Callable[..., FlaskClient], user: UUID) -> None:
    one, two = make(**FEW), make(**FEW)
    assert passing(one, token(user), f"/users/{user}/jobs") == 3
    assert passing(two, token(user), f"/users/{user}/jobs") == 0
    assert 'buildos_rate_limited_requests_total{limit="user"} 1.0' in get(two, KEY, "/metrics").text


def test_the_address_behind_a_proxy(make: Callable[..., FlaskClient], user: UUID) -> None:
    path, forwarded = "/queue/stats", {"X-Forwarded-For": "203.0.113.7, 198.51.100.1"}
    believed = make(**FEW, trusted_proxies=1)
    assert passing(believed, None, path, **forwarded) == 2
    assert get(believed, None, path, **{"X-Forwarded-For": "198.51.100.2"}).status_code == 401
    assert get(believed, None, path, **{"X-Forwarded-For": "203.0.113.8, 198.51.100.1"}).status_code == 429, "what a caller adds is not believed"
    assert passing(make(**FEW), None, path, **forwarded) == 2, "nobody is, unless settings say so"


def test_two_proxies_one_behind_the_other(make: Callable[..., FlaskClient]) -> None:
    """A load balancer takes https and adds the caller's address, the proxy behind it adds the load balancer's and passes the scheme on."""
    http = make(**FEW, trusted_proxies=2)

    def call(caller: str) -> TestResponse:
        forwarded = {"X-Forwarded-For": f"{caller}, 10.0.0.1", "X-Forwarded-Proto": "https", "Origin": "https://localhost"}
        return get(http, None, "/queue/stats", **forwarded)

    assert [call(caller).status_code for caller in ("203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.8")] == [401, 401, 429, 401]


def test_who_connects_is_counted_by_address(make: Callable[..., FlaskClient]) -> None:
    http, path = make(**FEW), "/socket.io/?EIO=4&transport=polling"
    assert passing(http, None, path) == 4
    assert get(http, None, f"{path}&x_sid=1&sid=").status_code == 429
    assert get(http, None, path, address="192.0.2.2").status_code == 200
    assert get(http, None, f"{path}&sid=unknown").status_code == 400, "who is connected is not counted"
    assert 'buildos_rate_limited_requests_total{limit="public"} 2.0' in get(http, KEY, "/metrics").text
    assert get(make(), None, path).status_code == 200


def test_what_a_browser_asks_is_counted_by_user(make: Callable[..., FlaskClient], user: UUID, parts: Parts) -> None:
    app, other = make(**FEW).application, add_user(parts.engine)
    assert [may_ask(app, user) for _ in range(4)] == [True, True, True, False]
    assert may_ask(app, other)
    too_many = {"status": "ERROR", "error": "Too many requests; try again later"}
    socketio = app.extensions["buildos.realtime"].socketio
    browser = socketio.test_client(app, auth={"token": token(user)})
    assert browser.emit("presence", callback=True) == too_many
    assert browser.emit("resume", {"cursor": "x"}, callback=True) == {**too_many, "replayed": 0}
    assert browser.emit("subscribe", {"channel": f"user:{user}"}, callback=True) == {**too_many, "status": "CHANNEL_ERROR"}


def test_jobs_of_a_bulk_request_are_counted_one_by_one(make: Callable[..., FlaskClient], user: UUID) -> None:
    http = make(rate_limit_items="10/hour")

    def post(bearer: str, jobs: int) -> TestResponse:
        job = {"jobType": "process_brain_dump", "userId": str(user), "metadata": {"text": "x"}}
        return http.post("/queue/bulk", json={"jobs": [job] * jobs}, headers={"Authorization": f"Bearer {bearer}"})

    assert [post(token(user), jobs).status_code for jobs in (0, 6, 4)] == [200, 200, 200]
    refused = post(token(user), 1)
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests") and int(refused.headers["Retry-After"]) > 0
    assert post(KEY, 10).status_code == 200


def test_without_redis_everybody_passes_and_an_alert_says_so(make: Callable[..., FlaskClient], user: UUID) -> None:
    http = make(**FEW, redis_url=NOBODY, rate_limit_items="1/hour")
    began = time.perf_counter()
    with capture_logs() as logs:
        assert [get(http, token(user), f"/users/{user}/jobs").status_code for _ in range(20)] == [200] * 20
    assert http.post("/queue/bulk", json={"jobs": [{}, {}]}, headers={"Authorization": f"Bearer {token(user)}"}).status_code == 200
    assert time.perf_counter() - began < 10
    assert sum("rate limits are off" in entry["event"] and entry["log_level"] == "error" for entry in logs) == 1
    assert "buildos_rate_limits_off 1.0" in get(http, KEY, "/metrics").text


def test_a_redis_that_says_nothing_costs_one_request_a_moment_and_is_found_again(redis_url: str) -> None:
    address, now = urlsplit(redis_url), 1000.0
    proxy = Proxy(address.port)
    storage = PassingStorage(
        "passing+" + redis_url.replace(f":{address.port}/", f":{proxy.port}/"),
        clock=lambda: now,
        socket_timeout=0.2,
        socket_connect_timeout=0.2,
        retry=None,
    )
    assert [storage.incr("k", 60) for _ in range(2)] == [1, 2] and not storage.is_away
    proxy.pause()
    assert storage.incr("k", 60) == 0 and storage.is_away
    assert [storage.incr("k", 60) for _ in range(1000)] == [0] * 1000
    now += PAUSE + 1
    assert storage.incr("k", 60) == 0 and storage.is_away
    proxy.cut()
    proxy.resume()
    now += PAUSE + 1
    assert storage.incr("k", 60) >= 3 and not storage.is_away


def test_off_is_the_default_of_development_alone(make: Callable[..., FlaskClient], user: UUID) -> None:
    http = make(**FEW, rate_limits=False)
    assert [get(http, token(user), f"/users/{user}/jobs").status_code for _ in range(10)] == [200] * 10
    assert not load_settings().rate_limits and load_settings(app_env="production").rate_limits


@pytest.mark.parametrize("odd", ["many", "0/minute", "10", "10/fortnight", "1/minute;2/hour"])
def test_an_odd_limit_is_refused_at_the_start(odd: str) -> None:
    with pytest.raises(SettingsError, match="RATE_LIMIT_USER"):
        load_settings(rate_limit_user=odd)
