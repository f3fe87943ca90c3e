"""What holds for every endpoint: errors, bodies, origins, pages (CONTRACT 5)."""

from __future__ import annotations

import json
import re

import pytest
import structlog

from app.settings import DEFAULT_ORIGINS

ERROR_KEYS = ({"error", "code"}, {"error", "code", "details"})


def test_unknown_paths_and_methods_answer_in_json(http):
    missing = http.get("/nowhere")
    assert (missing.status_code, missing.json["code"]) == (404, "not_found")
    wrong = http.delete("/queue/brief")
    assert (wrong.status_code, wrong.json["code"]) == (405, "method_not_allowed")
    assert "POST" in wrong.headers["Allow"]


def test_a_path_cannot_write_a_log_line_of_its_own(http):
    with structlog.testing.capture_logs() as written:
        assert http.get("/jobs/x%0a2026-11-21T09:00:00Z%20[info]%1b[31m%00%e2%80%a8%ff%c3%a9").status_code == 404
    assert [line["event"] for line in written] == ["GET /jobs/x%0A2026-11-21T09:00:00Z%20[info]%1B[31m%00%E2%80%A8�é"]


def test_a_slash_at_the_end_changes_nothing(http):
    assert http.get("/queue/stats/").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b'"x"', b"null", b"1", b"{'a': 1}", b'{"a": NaN}', b'{"a": Infinity}', b"\xff\xfe{}", b'{"userId": "\xff"}',
        b'{"userId": "\\ud800"}', b"[" * 100_000, b'{"a":' * 100_000, b'{"userId": ' + b"9" * 100_000 + b"}", b"\x00", b" ",
        b'{"a": 1e999999}', b'{"userId": "x"} trailing',
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_400(http, body):
    answer = http.post("/queue/brief", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json["code"] in ("invalid_json", "invalid_input")
    assert answer.json.keys() in ERROR_KEYS


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json"]
)
def test_another_kind_of_body_is_415(http, user, kind):
    answer = http.post("/queue/brief", data=json.dumps({"userId": str(user)}), content_type=kind)
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


def test_json_with_a_charset_and_unknown_keys_is_fine(http, user):
    body = json.dumps({"userId": str(user), "unknown": {"deep": [1]}})
    assert http.post("/queue/brief", data=body, content_type="application/json; charset=utf-8").status_code == 200


def test_more_than_a_megabyte_is_413(http):
    answer = http.post("/queue/brief", data=b'{"a": "' + b"x" * 1024 * 1024 + b'"}', content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("origin", [*DEFAULT_ORIGINS, "http://localhost", None])
def test_known_origins_and_none_and_our_own_pass(http, origin):
    answer = http.get("/queue/stats", headers={"Origin": origin} if origin else {})
    assert answer.status_code == 200
    assert answer.headers.get("Access-Control-Allow-Origin") == origin
    if origin:
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost:9999",
        "https://localhost",
        "",
        "http://localhost:5173.evil.example",
    ],
)
@pytest.mark.parametrize("path", ["/health", "/queue/brief", "/socket.io/?EIO=4&transport=polling", "/nowhere"])
def test_other_origins_are_refused(http, origin, path):
    answer = http.get(path, headers={"Origin": origin})
    assert (answer.status_code, answer.json) == (403, {"error": "Origin not allowed", "code": "origin_not_allowed"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert http.options(path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"}).status_code == 403


def test_a_preflight_is_answered(http):
    asked = {
        "Origin": "https://build-os.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = http.options("/queue/brief", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://build-os.com"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type"


def test_an_error_can_be_read_across_origins(http):
    answer = http.get("/jobs/x", headers={"Origin": "https://build-os.com"})
    assert answer.status_code == 404 and answer.headers["Access-Control-Allow-Origin"] == "https://build-os.com"


@pytest.mark.parametrize("path", ["/health", "/jobs/x", "/email/track/open/x", "/nowhere", "/docs"])
def test_a_browser_takes_an_answer_for_what_it_says_it_is(http, path):
    assert http.get(path).headers.getlist("X-Content-Type-Options") == ["nosniff"]


def test_socketio_answers_allowed_origins(http):
    answer = http.get("/socket.io/?EIO=4&transport=polling", headers={"Origin": "https://build-os.com"})
    assert answer.status_code == 200
    assert answer.headers.getlist("Access-Control-Allow-Origin") == ["https://build-os.com"]


def test_the_description_is_openapi_3_1_and_complete(app, http):
    spec = http.get("/openapi.json").json
    assert spec["openapi"].startswith("3.1")
    described = {(path, method) for path, methods in spec["paths"].items() for method in methods}
    served = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static" and not rule.endpoint.startswith(("pages.", "console."))
    }
    assert described == served
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(spec)))
    assert references == set(spec["components"]["schemas"]) & references
    body = spec["components"]["schemas"]["QueueBriefRequest"]
    assert body["required"] == ["userId"] and "from" in spec["components"]["schemas"]["JobEvent"]["properties"]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_from_elsewhere(http, path):
    page = http.get(path)
    assert page.status_code == 200 and page.mimetype == "text/html"
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page.text)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_the_docs_name_every_endpoint(http):
    page = http.get("/docs").text
    for path in http.get("/openapi.json").json["paths"]:
        assert f"<code>{path}</code>" in page
