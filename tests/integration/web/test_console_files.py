"""The console is served from what was built, and says how to build it where nothing was (docs/console.md)."""

from __future__ import annotations

import pytest

from app.web.access import AccessReply
from tests.support.people import add_user


@pytest.fixture
def built(app, tmp_path):
    folder = tmp_path / "console"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>the console</title>")
    (folder / "assets" / "index-abc.js").write_text("export {};")
    app.config["CONSOLE_FOLDER"] = folder
    return folder


@pytest.mark.parametrize("path", ["/", "/console", "/console/jobs", "/console/jobs/brief-1"])
def test_every_page_is_the_one_page(http, built, path):
    page = http.get(path)
    assert (page.status_code, page.mimetype) == (200, "text/html") and "the console" in page.text
    assert page.headers["Cache-Control"] == "no-cache"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy and "unsafe" not in policy
    assert http.get(path, headers={"If-None-Match": page.headers["ETag"]}).status_code == 304


def test_files_named_by_their_content_are_kept_for_good(http, built):
    script = http.get("/console/assets/index-abc.js")
    assert (script.status_code, script.mimetype) == (200, "text/javascript")
    assert "immutable" in script.headers["Cache-Control"] and script.headers["X-Content-Type-Options"] == "nosniff"
    for missing in ("index-old.js", "../index.html", "..%2findex.html", "%2e%2e/index.html"):
        answer = http.get(f"/console/assets/{missing}")
        assert answer.status_code == 404 or "the console" in answer.text, missing
    assert http.get("/console/assets/index-old.js").json["code"] == "not_found"


def test_without_a_build_the_page_says_what_to_do(http, app, tmp_path):
    app.config["CONSOLE_FOLDER"] = tmp_path
    page = http.get("/")
    assert page.status_code == 200 and "<pre>make console</pre>" in page.text
    assert "<pre>.venv/bin/buildos brief --user sample@buildos.example</pre>" in page.text
    assert http.get("/console/assets/index.js").status_code == 404


def test_in_open_mode_everybody_is_an_operator(http):
    assert AccessReply(**http.get("/access").json) == AccessReply(authMode="open", caller="open", operator=True, userId=None)


def test_users_are_found_by_what_one_knows_of_them(http, database):
    ids = [str(add_user(database.engine)) for _ in range(3)]
    everybody = http.get("/users").json["users"]
    assert sorted(user["id"] for user in everybody) == sorted(ids)
    first = everybody[0]
    for known in (first["id"], first["email"].upper()):
        assert [user["id"] for user in http.get("/users", query_string={"text": known}).json["users"]] == [first["id"]]
    assert len(http.get("/users?limit=2").json["users"]) == 2
    assert http.get("/users?text=%25").json["users"] == []
    assert http.get("/users?limit=0").status_code == 400
