"""The server process itself: how it starts, what it refuses, how it stops."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import requests
from socketio.exceptions import ConnectionError as Refused

from app.identity.tokens import LEEWAY
from app.web.main import bind
from tests.support.api import PATIENCE, Browser, running_api
from tests.support.jwks_server import identity_provider, signed
from tests.support.servers import ROOT, plain_settings
from tests.support.tokens import KEY, SECRET, token


def start_and_fail(env, **settings) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", "from app.settings import load_settings; from app.web.serve import serve; serve(load_settings())"],
        cwd=ROOT, env={**env, **settings}, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def test_a_taken_port_ends_in_one_line(api_env):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = start_and_fail(api_env, PORT=str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert done.stderr.startswith("buildos: PORT: 127.0.0.1:") and done.stderr.count("\n") == 1


def test_open_mode_stays_on_this_machine(api_env):
    done = start_and_fail(api_env, HOST="0.0.0.0", PORT="0")
    assert done.returncode == 1 and "ALLOW_OPEN_BIND" in done.stderr


def test_open_mode_may_be_opened_on_purpose(api_env, tmp_path):
    with running_api({**api_env, "HOST": "0.0.0.0", "ALLOW_OPEN_BIND": "true"}, tmp_path) as api:
        assert requests.get(api.url.replace("0.0.0.0", "127.0.0.1") + "/health", timeout=PATIENCE).status_code == 200


def test_a_body_of_unknown_length_has_the_same_limit(api):
    parts = (b'{"a": "' if n == 0 else b"x" * 65536 for n in range(40))
    answer = requests.post(
        f"{api.url}/queue/brief", data=parts, headers={"Content-Type": "application/json"}, timeout=PATIENCE
    )
    assert answer.status_code == 413


def test_a_small_body_of_unknown_length_is_read(api, ann):
    parts = iter([b'{"userId": "', str(ann).encode(), b'"}'])
    answer = requests.post(
        f"{api.url}/queue/brief", data=parts, headers={"Content-Type": "application/json"}, timeout=PATIENCE
    )
    assert answer.status_code == 200


def test_answers_wait_for_no_acknowledgement(api_env):
    """Nagle's delay with delayed acknowledgements costs 40 ms a request; who is accepted takes after the listener."""
    settings = plain_settings(database_url=api_env["DATABASE_URL"], redis_url=api_env["REDIS_URL"], port=0)
    with bind(settings) as listener, socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_in_jwt_mode_a_token_opens_its_users_rooms(api_env, tmp_path, database, ann, bob):
    with identity_provider() as provider:
        env = {**api_env, "AUTH_MODE": "jwt", "JWT_SECRET": SECRET, "SERVICE_KEY": KEY, "JWKS_URL": provider.url}
        with running_api(env, tmp_path) as api:
            for auth in (
                {"userId": str(ann)},
                {"token": "nonsense", "userId": str(ann)},
                {"token": token(ann, exp=datetime.now(UTC) - timedelta(hours=1))},
                {"token": signed("ec-2", ann)},
                {"token": signed("rsa-1", ann, aud="anon")},
                {"token": KEY},
            ):
                with pytest.raises(Refused):
                    Browser(api.url, auth).connect()
            # a token's user is who it names, whoever signed it
            one = Browser(api.url, {"token": token(ann), "userId": str(bob)}).connect()
            other = Browser(api.url, {"token": signed("ec-1", ann), "userId": str(bob)}).connect()
            two = Browser(api.url, {"token": KEY, "userId": str(bob)}).connect()
            fading = Browser(api.url, {"token": token(ann, exp=datetime.now(UTC) - timedelta(seconds=LEEWAY - 3))})
            with suppress(Refused):  # were it slow to connect, its token would be over before
                fading.connect()
            assert two.subscribe(bob)["status"] == "SUBSCRIBED"
            place = two.call("subscribe", {"channel": f"user:{bob}"})["cursor"]
            for browser in (one, other):
                _tries_everything_on(bob, browser, place)
                assert browser.subscribe(ann)["status"] == "SUBSCRIBED"
            for user in (bob, ann):
                post = requests.post(f"{api.url}/queue/brief", json={"userId": str(user)}, headers={"Authorization": f"Bearer {KEY}"}, timeout=30)
                assert post.status_code == 200
            two.wait_for(lambda browser: browser.states())
            for browser in (one, other):
                browser.wait_for(lambda browser: browser.states())
                assert {change["new"]["user_id"] for change in browser.named("postgres_changes") if "user_id" in change["new"]} == {str(ann)}
                assert str(bob) not in str(browser.heard)
            fading.wait_for_the_end()
            for browser in (one, other, two):
                assert browser.call("presence")["status"] == "OK", "whose token is good stays"
                browser.leave()


def _tries_everything_on(bob, browser, place) -> None:
    rooms = (f"user:{bob}", f"user-brief-notifications:{bob}")
    odd = (*rooms, rooms[0].upper(), f"{rooms[0]} ", "user:*", "user:", f"user:{bob.hex}", [rooms[0]], {"channel": rooms[0]}, None, 7)
    assert {browser.call("subscribe", {"channel": channel})["status"] for channel in odd} == {"CHANNEL_ERROR"}
    assert browser.call("subscribe", rooms[0])["status"] == "CHANNEL_ERROR"
    assert browser.call("resume", {"cursor": place, "userId": str(bob), "channel": rooms[0]})["status"] in ("RESUMED", "RELOAD")
    assert {each.keys() >= {"id", "since"} for each in browser.call("presence", {"userId": str(bob)})["connections"]} == {True}
