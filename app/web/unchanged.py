"""Answers that are asked for again and again: sent once, and then only that nothing has changed."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request


def unless_unchanged(body: dict[str, Any]) -> Response:
    """`body` as JSON with a tag of its content; 304 without a body for who has it already."""
    response = jsonify(body)
    response.add_etag(weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization"
    return response.make_conditional(request)
