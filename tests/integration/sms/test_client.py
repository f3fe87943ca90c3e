"""The typed client's methods for text messages, over a real connection; and who may read what of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import make_server

from app.client import Client, ClientError
from app.web.app import create_app
from app.wiring import build
from tests.integration.sms.conftest import NUMBER, World
from tests.support.servers import plain_settings


@pytest.fixture
def client(world: World, database, redis_url: str) -> Iterator[Client]:
    settings = plain_settings(database_url=database.url, redis_url=redis_url)
    app = create_app(build(settings, engine=world.engine, clock=world.clock))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield Client(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    thread.join()


def test_each_method_does_what_it_says(world: World, client: Client) -> None:
    user = str(world.user)
    assert client.change_sms_scheduled(user, lead_time_minutes=45, quiet_hours_start="22:00", quiet_hours_end="07:30")
    (shown,) = client.sms_scheduled(user).schedule
    assert (shown.lead_time_minutes, shown.quiet_hours_end) == (45, "07:30")
    assert client.sms_scheduled().schedule == [shown]
    assert client.queue_sms(user, NUMBER, "Hello", urgent=True) == world.waiting()[0]["queue_job_id"]
    with pytest.raises(ClientError) as refused:
        client.queue_sms(user, "0415", "Hello")
    assert (refused.value.status, refused.value.details[0]["field"]) == (400, "phone_number")


def test_the_policies_have_their_documented_names(world: World) -> None:
    names = world.rows("select policyname as name from pg_policies where tablename = 'sms_messages' order by 1")
    assert [row["name"] for row in names] == ["Service role full access", "Users can view own SMS"]
