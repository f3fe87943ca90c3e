"""The typed client's methods for notifications and preferences, over a real connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import make_server

from app.client import Client, ClientError
from app.web.app import create_app
from app.wiring import build
from tests.integration.notifications.conftest import TASK, World
from tests.support.push_service import Browser
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


def test_many_jobs_of_any_type(world: World, client: Client) -> None:
    metadata = {"channel": "in-app", "eventType": "task_completed", "payload": TASK}
    job = {"jobType": "send_notification", "userId": str(world.user), "metadata": metadata}
    added, refused = client.queue_bulk([job, {**job, "metadata": {}}])
    assert added["jobId"] == world.jobs("send_notification")[0]["queue_job_id"] and refused["code"] == "invalid_input"


def test_each_method_does_what_it_says(world: World, client: Client) -> None:
    user = str(world.user)
    queued = client.queue_notification(user, "in-app", "task_completed", TASK, {"correlationId": "corr-1"})
    assert queued.correlationId == "corr-1"
    world.run(world.jobs("send_notification")[0]["id"])
    page = client.notifications(user, unread=True)
    assert [each.correlationId for each in page.notifications] == ["corr-1"] and page.unreadCount == 1
    client.read_notification(user, page.notifications[0].id)
    assert client.notifications(user).notifications[0].readAt is not None

    assert client.queue_email(user, "bob@example.com", "Hi", text="Hello").jobId.startswith("send_email-")

    changed = client.change_preferences(user, brief={"is_active": True}, notifications={"push_enabled": False})
    assert changed == client.preferences(user)
    assert (changed.brief.is_active, changed.notifications.push_enabled) == (True, False)

    assert client.push_key() is None
    browser = Browser("https://push.example/ada").as_json()
    assert client.subscribe_to_push(user, browser).created
    assert client.unsubscribe_from_push(user, browser["endpoint"]) is True
    with pytest.raises(ClientError) as refused:
        client.queue_notification(user, "push", "task_completed", {})
    assert (refused.value.status, refused.value.details[0]["field"]) == (400, "payload.taskId")
