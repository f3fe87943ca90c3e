"""Which other features tell users of what, put together in app.wiring."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from app.adapters.push_local import LocalPush
from app.adapters.push_web import WebPush, make_keys
from app.queue.claims import Claim
from app.wiring import Services, build
from tests.integration.notifications.conftest import World
from tests.support.servers import plain_settings


@pytest.fixture
def services(world: World, database) -> Services:
    return build(plain_settings(database_url=database.url), engine=world.engine, clock=world.clock)


def fail(services: Services, world: World, job_type: str, metadata: dict[str, Any], *, final: bool) -> None:
    """As the worker notes a failure."""
    held = Claim(str(uuid4()), "name", str(world.user), job_type, json.dumps(metadata), 1, 3, 1, "task")
    with world.engine.begin() as conn:
        services.failure_notes[job_type](conn, held, "no luck", final)


def test_a_brief_that_failed_for_good_is_told_where_that_was_chosen(services: Services, world: World) -> None:
    brief = {"briefDate": "2026-11-22", "correlationId": "corr-1"}
    fail(services, world, "generate_daily_brief", brief, final=True)
    assert world.jobs("send_notification") == []
    world.add("user_notification_preferences", event_channels={"brief.failed": ["in-app"]})
    fail(services, world, "generate_daily_brief", brief, final=False)
    assert world.jobs("send_notification") == []
    fail(services, world, "generate_daily_brief", brief, final=True)
    fail(services, world, "generate_daily_brief", {"briefDate": "soon"}, final=True)
    first, second = world.jobs("send_notification")
    assert first["metadata"]["payload"] == {"error": "no luck", "briefDate": "2026-11-22"}
    assert first["metadata"]["correlationId"] == "corr-1"
    assert [world.run(job["id"]).status for job in (first, second)] == ["sent", "sent"]


@pytest.mark.parametrize(("channel", "carrier"), [("email", "send_notification_email"), ("sms", "send_sms")])
def test_a_carrier_that_fails_for_good_fails_the_delivery(
    services: Services, world: World, channel: str, carrier: str
) -> None:
    world.add("user_sms_preferences", phone_number="+14155552671", phone_verified=True)
    world.run(world.job(channel))
    [job] = world.jobs(carrier)
    fail(services, world, carrier, job["metadata"], final=False)
    assert world.delivery() == ("sent", None)
    fail(services, world, carrier, job["metadata"], final=True)
    assert world.delivery() == ("failed", "no luck")


def test_a_failed_notification_leaves_its_row(services: Services, world: World) -> None:
    fail(services, world, "send_notification", {"channel": "push"}, final=True)
    assert world.delivery() == ("failed", "no luck")


def test_pushes_leave_for_the_web_where_there_are_keys(world: World) -> None:
    public, private = make_keys()
    keys = {"vapid_public_key": public, "vapid_private_key": private, "vapid_subject": "mailto:ada@example.com"}
    kinds = [type(build(plain_settings(**given)).notifications._pusher._push._adapter) for given in ({}, keys)]
    assert kinds == [LocalPush, WebPush]
