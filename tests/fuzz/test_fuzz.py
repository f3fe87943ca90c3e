"""The short run: the same attacks every time, a few of each kind. `make fuzz` is the long one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests

from tests.fuzz.__main__ import campaign
from tests.fuzz.world import SERVICE_KEY, World, world_on
from tests.support.servers import new_database


@pytest.fixture(scope="module")
def world(postgres_server, template_database, redis_server, tmp_path_factory) -> Iterator[World]:
    server, numbers = redis_server
    with (
        new_database(postgres_server, template_database) as database,
        world_on(database, server.url_of(next(numbers)), tmp_path_factory.mktemp("fuzz")) as world,
    ):
        yield world


def test_nothing_is_a_500_a_stack_trace_or_a_hang(world: World) -> None:
    wrong = campaign(world, world.database_url, scale=0.008, start=0, each=32)
    assert wrong == [], "\n\n".join(wrong)
    assert len(world.kinds) >= 13 and world.asked > 200, world.table()


@pytest.mark.parametrize(
    "messages",
    [
        ["40{}", "1", '42["subscribe"]'], ["40{good}", '42["connect", {good}]'], ["40{good}", '42["disconnect"]'], ["40{good}", "42[[], 1]"], ["40{good}", "42{}"],
        ["4", "x"], ["40{good}", "451-"], ["9"], ["40" + "[" * 50_000],
    ],
    ids=["after its end", "connect as an event", "disconnect as an event", "no name", "no list", "no packet", "half an attachment", "unknown", "deep"],
)  # fmt: skip
def test_a_stray_on_a_socket_hurts_nobody(world: World, messages: list[str]) -> None:
    url = f"{world.api.url}/socket.io/?EIO=4&transport=polling"
    sid = json.loads(requests.get(url, timeout=10).text[1:])["sid"]
    good = json.dumps({"token": SERVICE_KEY, "userId": world.users[0]})
    for message in messages:
        answer = requests.post(f"{url}&sid={sid}", data=message.replace("{good}", good), headers={"Content-Type": "text/plain"}, timeout=10)
        assert answer.status_code in (200, 400)
    world.alive()
