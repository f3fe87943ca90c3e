"""The typed client's methods for phases and onboarding, over a real connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import make_server

from app.client import Client, ClientError
from app.web.app import create_app
from tests.support.plan_world import PlanWorld


@pytest.fixture
def client(world: PlanWorld) -> Iterator[Client]:
    server = make_server("127.0.0.1", 0, create_app(world.services), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield Client(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    thread.join()


def test_each_method_does_what_it_says(world: PlanWorld, client: Client) -> None:
    user, project = str(world.user), str(world.project("dig", "plant"))
    made = client.generate_phases(project, user_id=user, scheduling_method="schedule_in_phases")
    assert [task.title for task in made.phases[0].tasks] == [
        "dig",
        "plant",
    ] and made.generation.planned_by == "dependencies"
    assert client.phases(project) == made
    assert client.queue_phases(user, project, regenerate=True).jobId.startswith("generate_phases-")
    with pytest.raises(ClientError) as refused:
        client.queue_phases(user, project)
    assert (refused.value.status, refused.value.message) == (409, "Already generating phases")

    first = client.queue_onboarding(user, name="Ada", goals=["Ship"])
    assert client.queue_onboarding(user, name="Ada", force_regenerate=True).jobId != first.jobId
    assert client.job(first.jobId).status == "cancelled"
    assert client.onboarding(user).analysis is None
