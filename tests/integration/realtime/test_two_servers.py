"""Two server processes on one database: they tell the same story, and one that stops says goodbye."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.integration.realtime.test_feed import numbers, tell
from tests.integration.realtime.test_presence import online, told
from tests.support.api import PATIENCE, Api, running_api


@pytest.fixture(scope="module")
def second(api_env, tmp_path_factory) -> Iterator[Api]:
    with running_api(api_env, tmp_path_factory.mktemp("second")) as api:
        yield api


def test_they_tell_the_same_story(database, second, browser, ann):
    here, there = browser(ann), browser(ann, second.url)
    here.subscribe(ann)
    there.subscribe(ann)
    for number in range(5):
        tell(database, ann, number)
    here.wait_for(lambda b: len(numbers(b)) == 5)
    there.wait_for(lambda b: len(numbers(b)) == 5)
    assert here.heard == there.heard
    last = here.named("brief_completed")[-1]["cursor"]
    moved = browser(ann, second.url, cursor=last)
    moved.subscribe(ann)
    tell(database, ann, 5)
    moved.wait_for(lambda b: 5 in numbers(b))
    assert numbers(moved) == [5]


def test_a_stop_is_quick_tells_the_browsers_and_takes_their_presence_along(second, browser, ann):
    here, there = browser(ann), browser(ann, second.url)
    mine = here.call("presence")["connection"]
    theirs = there.call("presence")
    assert online(theirs) == [mine, theirs["connection"]]
    here.wait_for(lambda b: ("INSERT", theirs["connection"]) in told(b))
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(PATIENCE) == 0
    there.wait_for_the_end()
    assert "Traceback" not in second.log.read_text()
    here.wait_for(lambda b: ("DELETE", theirs["connection"]) in told(b))
    assert online(here.call("presence")) == [mine]
