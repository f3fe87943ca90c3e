"""OpenAPI 3.1, read from the endpoints themselves: nothing is described twice."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.web.endpoint import Endpoint, OtherReply
from app.web.schemas import ErrorReply

REF = "#/components/schemas/{model}"
REASONS = {
    400: "Bad input; the field is named.",
    401: "No valid key or token.",
    403: "Not for this caller, or not from this origin.",
    404: "Not known.",
    409: "The state does not allow it.",
    413: "The body is larger than 1 MB.",
    415: "The body is not JSON.",
    429: "Too many; Retry-After says in how many seconds to come back.",
    503: "The database is away; try again.",
}


def described_endpoints(app: Flask) -> list[Endpoint]:
    """Every endpoint of the app, in the order of registration."""
    return [view.described_as for view in app.view_functions.values() if hasattr(view, "described_as")]


def build_spec(app: Flask, *, version: str, server: str = "/") -> dict[str, Any]:
    """The whole document, as JSON-ready values."""
    endpoints = described_endpoints(app)
    wanted = {(ErrorReply, "serialization")}
    for item in endpoints:
        if not isinstance(item.reply, OtherReply):
            wanted.add((item.reply, "serialization"))
        wanted.update((model, "validation") for model in (item.body, item.query) if model is not None)
    ordered = sorted(wanted, key=lambda pair: (pair[0].__name__, pair[1]))
    schema_of, definitions = models_json_schema(ordered, ref_template=REF)

    paths: dict[str, Any] = {}
    for item in endpoints:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", item.path)
        paths.setdefault(path, {})[item.method.lower()] = _operation(item, schema_of, definitions["$defs"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "BuildOS jobs",
            "version": version,
            "description": "Queue work, follow it, read what it made. Times are ISO 8601 in UTC. Live changes come over Socket.IO.",
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The service key or a user's token (AUTH_MODE=jwt).",
                }
            },
        },
    }


def _operation(item: Endpoint, schema_of: dict, definitions: dict) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{item.method.lower()}{item.path}").strip("_"),
        "summary": item.summary,
        "tags": [item.tag],
        "responses": _success(item.reply, schema_of),
        "security": [{}] if item.public else [{}, {"bearer": []}],
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"<(?:\w+:)?(\w+)>", item.path)
    ]
    if item.query is not None:
        parameters += _query_parameters(item.query, definitions)
    if parameters:
        operation["parameters"] = parameters
    if item.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[item.body, "validation"]}},
        }
    always = (429,) if item.public else (401, 403, 429, 503)
    for status in sorted(
        {*item.errors, *always, *((400, 413, 415) if item.body else ()), *((400,) if item.query else ())}
    ):
        operation["responses"][str(status)] = _content(schema_of[ErrorReply, "serialization"], REASONS[status])
    return operation


def _success(reply: type[BaseModel] | OtherReply, schema_of: dict) -> dict[str, Any]:
    if not isinstance(reply, OtherReply):
        return {"200": _content(schema_of[reply, "serialization"], "Done.")}
    answer: dict[str, Any] = {"description": reply.description}
    if reply.media:
        answer["content"] = {reply.media: {}}
    return {str(reply.status): answer}


def _content(schema: dict, description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _query_parameters(model: type[BaseModel], definitions: dict) -> list[dict[str, Any]]:
    schema = definitions.pop(model.__name__, None) or model.model_json_schema(ref_template=REF)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema["properties"].items()
    ]
