"""The console at `/`: the files that `make console` has built, and one page that says so where it has not.

`/` is the overview, `/console/…` every other page; which one is shown is decided in the browser.
"""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, current_app, make_response, render_template, send_from_directory

from app.web.errors import not_found

BUILT = Path(__file__).parent / "console"
INDEX = "index.html"
# Everything comes from here; scripts and styles from files alone, so that no text that is shown can become one.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
PLAIN_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
NAMED_BY_CONTENT = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "no-cache"

blueprint = Blueprint("console", __name__, template_folder="templates")


@blueprint.get("/")
@blueprint.get("/console/", strict_slashes=False)
@blueprint.get("/console/<path:page>")
def get_page(page: str = "") -> Response:
    """The one page of the console, whatever is shown on it."""
    folder = built_in()
    if folder is None:
        return guarded(make_response(render_template("unbuilt.html")), PLAIN_POLICY)
    answer = send_from_directory(folder, INDEX, mimetype="text/html", etag=True)
    answer.headers["Cache-Control"] = ASK_EACH_TIME
    return guarded(answer, POLICY)


@blueprint.get("/console/assets/<path:name>")
def get_asset(name: str) -> Response:
    """A script, a style sheet or a picture; its name changes with its content."""
    folder = built_in()
    if folder is None or not (folder / "assets" / name).is_file():
        raise not_found("File")
    answer = send_from_directory(folder / "assets", name)
    answer.headers["Cache-Control"] = NAMED_BY_CONTENT
    return guarded(answer, POLICY)


def built_in() -> Path | None:
    """The folder of the console that was built, or None. `CONSOLE_FOLDER` of the app's configuration stands in its place in tests."""
    folder = Path(current_app.config.get("CONSOLE_FOLDER", BUILT))
    return folder if (folder / INDEX).is_file() else None


def guarded(answer: Response, policy: str) -> Response:
    """With the headers that keep a page to itself."""
    answer.headers["Content-Security-Policy"] = policy
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    answer.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
    return answer
