"""One suite for both ways a push can leave: the browsers' push services, and the folder where there are no keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.adapters.push_local import LocalPush
from app.adapters.push_web import WebPush, make_keys
from app.ports.push import Push, PushDeferred, PushGone, PushMessage, PushRefused, PushUnknown, Subscription
from tests.support.push_service import Browser, PushService, push_service
from tests.support.servers import plain_settings

PUBLIC, PRIVATE = make_keys()
MESSAGE = PushMessage(
    id=UUID("6f1c1f0e-0000-4000-8000-000000000001"),
    event_type="task_completed",
    title="Done: ümläute, 漢字 & <b>",
    body="x" * 500,
    url="/projects/p1",
    correlation_id="corr-1",
)
SHOWN = {
    "id": str(MESSAGE.id), "tag": str(MESSAGE.id), "eventType": "task_completed", "title": MESSAGE.title,
    "body": MESSAGE.body, "url": "/projects/p1", "correlationId": "corr-1",
}  # fmt: skip


def nothing() -> None:
    """Nobody minds."""


def subscription(browser: Browser) -> Subscription:
    return Subscription(uuid4(), browser.endpoint, browser.p256dh, browser.auth)


def web_push(**more: Any) -> WebPush:
    keys = {"vapid_public_key": PUBLIC, "vapid_private_key": PRIVATE, "vapid_subject": "mailto:ada@example.com"}
    return WebPush(plain_settings(**keys, **{"push_allow_insecure": True, **more}), timeout=2.0)


@dataclass
class Way:
    """An adapter with its other side: a subscription, what arrived there, how to make it put things off."""

    push: Push
    to: Subscription
    arrived: Callable[[], list[dict[str, Any]]]
    defer: Callable[[], None]


@contextmanager
def _web(folder: Path) -> Iterator[Way]:
    with push_service() as service:
        browser = service.browser()
        yield Way(
            web_push(),
            subscription(browser),
            lambda: [browser.read(body) for _, body in service.taken],
            lambda: service.answers.update({"/push/ada": [429]}),
        )


@contextmanager
def _local(folder: Path) -> Iterator[Way]:
    box = folder / "push"
    push = LocalPush(plain_settings(push_outbox=str(box)))
    to = subscription(Browser("https://push.example/ada"))
    yield Way(push, to, lambda: [json.loads(p.read_text()) for p in box.glob("*.json")], lambda: box.write_text("no"))


WAYS = {"web": _web, "local": _local}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    with WAYS[request.param](tmp_path) as made:
        yield made


class TestBoth:
    def test_what_is_pushed_arrives_as_it_was(self, way: Way) -> None:
        way.push.send(way.to, MESSAGE, nothing)
        assert way.arrived() == [SHOWN]

    def test_the_last_look_comes_before_anything_arrives_and_once(self, way: Way) -> None:
        looks = []
        way.push.send(way.to, MESSAGE, lambda: looks.append(len(way.arrived())))
        assert looks == [0]

    def test_what_the_last_look_raises_stops_the_push(self, way: Way) -> None:
        class Lost(BaseException):
            pass

        def refuse() -> None:
            raise Lost

        with pytest.raises(Lost):
            way.push.send(way.to, MESSAGE, refuse)
        assert way.arrived() == []

    def test_a_passing_failure_is_deferred(self, way: Way) -> None:
        way.defer()
        with pytest.raises(PushDeferred):
            way.push.send(way.to, MESSAGE, nothing)


@pytest.fixture
def service() -> Iterator[PushService]:
    with push_service() as running:
        yield running


class TestWeb:
    def test_the_push_service_knows_us_and_keeps_it_for_a_day(self, service: PushService) -> None:
        web_push().send(subscription(service.browser()), replace(MESSAGE, urgent=True), nothing)
        [request] = service.arrived
        assert (request.claims["sub"], request.claims["key"]) == ("mailto:ada@example.com", PUBLIC)
        headers = {name: request.headers[name] for name in ("ttl", "urgency", "topic", "content-encoding")}
        assert headers == {"ttl": "86400", "urgency": "high", "topic": MESSAGE.id.hex, "content-encoding": "aes128gcm"}

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (404, PushGone), (410, PushGone), (429, PushDeferred), (500, PushDeferred), (503, PushDeferred),
            (400, PushRefused), (403, PushRefused), (413, PushRefused), (302, PushRefused), ("silence", PushUnknown),
        ],
    )  # fmt: skip
    def test_each_answer_means_one_thing(self, service: PushService, answer: int | str, error: type) -> None:
        with pytest.raises(error) as raised:
            web_push().send(subscription(service.browser("ada", answer)), MESSAGE, nothing)
        assert service.url not in str(raised.value) and len(service.arrived) == 1  # no redirect was followed

    def test_nobody_there_is_deferred(self) -> None:
        with pytest.raises(PushDeferred):
            web_push().send(subscription(Browser("http://127.0.0.1:1/push")), MESSAGE, nothing)

    @pytest.mark.parametrize(
        "endpoint",
        [
            "http://127.0.0.1:6379/", "https://127.0.0.1/", "https://localhost/", "https://169.254.169.254/latest", "https://10.0.0.1/",
            "https://[::1]/", "https://[::ffff:10.0.0.1]/", "http://8.8.8.8/", "ftp://push.example/", "https://", "x",
        ],
    )  # fmt: skip
    def test_inner_networks_are_not_posted_to(self, endpoint: str) -> None:
        with pytest.raises(PushRefused):
            web_push(push_allow_insecure=False).send(subscription(Browser(endpoint)), MESSAGE, nothing)

    @pytest.mark.parametrize(
        "keys", [{"p256dh": "AAAA"}, {"p256dh": ""}, {"auth": ""}, {"p256dh": "%%%"}, {"p256dh": "B" * 87}], ids=str
    )
    def test_keys_that_are_none_are_refused_before_anything_is_posted(self, service: PushService, keys: dict) -> None:
        with pytest.raises(PushRefused):
            web_push().send(replace(subscription(service.browser()), **keys), MESSAGE, nothing)
        assert service.arrived == []

    def test_the_longest_words_fit(self, service: PushService) -> None:
        longest = replace(MESSAGE, title="漢" * 120, body="😀" * 500, url="https://app.example/" + "a" * 900)
        web_push().send(subscription(service.browser()), longest, nothing)
        assert len(service.taken) == 1
