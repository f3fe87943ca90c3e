"""A Redis that listens on a socket of the machine alone: all that talks to it finds it by the one address."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from kombu import Exchange, Queue

from app.db.broker import Broker
from app.embedded.redis import binary
from app.queue.dispatching import Dispatched
from app.settings_files import SettingsError
from app.web.limits import PassingStorage
from tasks.dispatcher.sending import make_sender
from tasks.engine import JobCelery, configuration
from tasks.runway import Message
from tasks.transport import Channel, StockChannel
from tests.support.processes import wait_for
from tests.support.servers import plain_settings


@pytest.fixture(scope="module")
def socket() -> Iterator[Path]:
    with TemporaryDirectory(prefix="r") as folder:  # the path of a socket must be short
        path = Path(folder) / "r.sock"
        server = subprocess.Popen([binary(), "--port", "0", "--unixsocket", path, "--save", "", "--requirepass", "p w", "--loglevel", "warning"])
        try:
            wait_for(path.exists, "the socket is there")
            yield path
        finally:
            server.terminate()
            server.wait(10)


@pytest.mark.parametrize("transport", ["batched", "stock"])
@pytest.mark.parametrize("written", ["unix://:p%20w@{}?db=3", "unix://{}?db=3&password=p%20w"])
def test_messages_go_through_a_socket(socket: Path, written: str, transport: str) -> None:
    settings = plain_settings(redis_url=written.format(socket), queue_transport=transport)
    app = JobCelery("test", set_as_current=False)
    app.conf.update(configuration(settings))
    app.amqp.queues.select_add(Queue("q", Exchange(""), routing_key="q"))
    sender = make_sender(app, settings, "q")
    sender.send([Message("task-1", "other", (Dispatched("job-1", "other", None),))])
    assert sender.waiting() == 1
    with app.connection_for_read() as connection:
        channel = connection.channel()
        assert type(channel) is (Channel if transport == "batched" else StockChannel)
        assert "p w" not in connection.as_uri() and "p%20w" not in connection.as_uri()
        assert channel.basic_get("q", no_ack=True).headers["id"] == "task-1"
    assert sender.waiting() == 0
    sender.hang_up()


def test_so_do_health_and_limits(socket: Path) -> None:
    url = f"unix://:p%20w@{socket}?db=3"
    assert Broker(url, 2).answers() and not Broker(f"unix://{socket}.gone", 2).answers()
    limits = PassingStorage(f"passing+{url}", socket_timeout=2, socket_connect_timeout=2, key_prefix="l")
    assert [limits.incr("a", 60), limits.incr("a", 60), limits.is_away] == [1, 2, False]


@pytest.mark.parametrize("wrong", ["unix://run/redis.sock", "unix://", "unix:///", "unix:///r.sock?db=x"])
@pytest.mark.parametrize("name", ["redis_url", "broker_url"])
def test_what_is_no_address_of_a_socket_is_refused_at_start(name: str, wrong: str) -> None:
    with pytest.raises(SettingsError, match="expects unix:///path/of/the.sock"):
        plain_settings(**{name: wrong})
