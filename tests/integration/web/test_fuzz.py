"""No input ever gives a 500 (CONTRACT 5)."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CALM = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip
ODD = st.sampled_from(
    ["", "\x00", "2026-02-30", "2026-11-21", "9999-12-31", "2026-11-21T09:00:00Z", "9999-12-31T23:59:59Z", "UTC", "../etc",
     "Europe/Berlin", 0, -1, 10**30, 1e308, True, False, None]
)  # fmt: skip
VALUES = st.recursive(
    ODD | st.text(max_size=30) | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("userId", "briefDate", "scheduledFor", "timezone", "forceImmediate", "forceRegenerate", "options", "other")


def check(answer):
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert {"error", "code"} <= answer.json.keys() <= {"error", "code", "details"}
        assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/queue/brief", "/queue/brief/cancel"])
def test_any_json_is_answered(http, user, path):
    @CALM
    @given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES)), st.booleans())
    def attempt(body, real):
        check(http.post(path, json={**body, "userId": str(user)} if real else body))

    attempt()


OPERATIONS = ("action", "filter", "dryRun", "jobType", "staleThresholdHours", "oldFailedJobsDays")
FILTER = st.fixed_dictionaries({}, optional=dict.fromkeys(("type", "status", "userId", "before", "after", "text", "all"), VALUES))


@pytest.mark.parametrize("path", ["/jobs/bulk", "/queue/cleanup", "/queue/pause"])
def test_any_operation_is_answered(http, user, path):
    @CALM
    @given(st.fixed_dictionaries({}, optional=dict.fromkeys(OPERATIONS, VALUES)), FILTER, st.booleans())
    def attempt(body, chosen, real):
        check(http.post(path, json={**body, "action": "cancel", "filter": chosen, "jobType": "other"} if real else body))

    attempt()


def test_any_bytes_are_answered(http):
    @CALM
    @given(
        st.binary(max_size=200),
        st.sampled_from(["application/json", "application/json; charset=utf-16", "text/plain", ""]),
    )
    def attempt(body, kind):
        check(http.post("/queue/brief", data=body, content_type=kind))

    attempt()


def test_any_path_and_query_are_answered(http, user):
    words = st.text(max_size=20) | ODD.map(str)

    @CALM
    @given(
        st.sampled_from(
            [
                "/jobs/{}",
                "/jobs/{}/events",
                "/api/queue-jobs/{}",
                "/users/{}/jobs",
                "/users/{}/briefs",
                f"/users/{user}/briefs/{{}}",
            ]
        ),
        words,
        st.dictionaries(st.sampled_from(["type", "status", "limit", "cursor", "x"]), words, max_size=4),
    )
    def attempt(path, word, query):
        check(
            http.get(path.format(word.replace("/", "%2F").replace("?", "%3F").replace("#", "%23")), query_string=query)
        )
        check(http.get(f"/users/{user}/jobs", query_string=query))

    attempt()


def test_what_was_stored_can_be_read_again(http, user):
    @CALM
    @given(st.lists(st.text(max_size=40), max_size=5))
    def attempt(names):
        body = {"userId": str(user), "forceRegenerate": True, "options": {"includeProjects": names}}
        answer = http.post("/queue/brief", data=json.dumps(body), content_type="application/json")
        check(answer)
        if answer.status_code == 200:
            assert http.get(f"/jobs/{answer.json['jobId']}").json["metadata"]["includeProjects"] == names

    attempt()
