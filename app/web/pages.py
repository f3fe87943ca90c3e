"""The API, readable at `/docs` and for machines at `/openapi.json`. Neither loads anything from elsewhere."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, make_response, render_template

from app.web.console_files import PLAIN_POLICY, guarded
from app.web.openapi import build_spec

VERSION = "0.1.0"
FIRST_TAGS = ("health", "queue", "jobs", "users")  # the other subjects follow by name

blueprint = Blueprint("pages", __name__, template_folder="templates")


@blueprint.get("/docs", strict_slashes=False)
def docs() -> Response:
    """The API, readable."""
    spec = _spec()
    found = {tag for methods in spec["paths"].values() for operation in methods.values() for tag in operation["tags"]}
    tags = sorted(found, key=lambda tag: (FIRST_TAGS.index(tag) if tag in FIRST_TAGS else len(FIRST_TAGS), tag))
    page = render_template("docs.html", spec=spec, tags=tags, example=example)
    return guarded(make_response(page), PLAIN_POLICY)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The API, for machines: OpenAPI 3.1."""
    return jsonify(_spec())


def _spec() -> dict[str, Any]:
    kept = current_app.extensions
    if "buildos.openapi" not in kept:
        kept["buildos.openapi"] = build_spec(current_app, version=VERSION)
    return kept["buildos.openapi"]


def example(schema: dict[str, Any], schemas: dict[str, Any], depth: int = 0) -> str:
    """A schema in one glance: `{userId: string, limit?: integer}`, deeper levels by their name."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return example(schemas[name], schemas, depth) if depth < 3 else name
    if "anyOf" in schema:
        return " | ".join(example(part, schemas, depth) for part in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return " | ".join(
            f'"{v}"' if isinstance(v, str) else str(v).lower() for v in schema.get("enum", [schema.get("const")])
        )
    if schema.get("type") == "array":
        return f"[{example(schema.get('items', {}), schemas, depth)}, …]"
    if schema.get("properties"):
        required = schema.get("required", ())
        pad = "  " * (depth + 1)
        lines = [
            f"{pad}{name}{'' if name in required else '?'}: {example(part, schemas, depth + 1)}"
            for name, part in schema["properties"].items()
        ]
        return "{\n" + ",\n".join(lines) + "\n" + "  " * depth + "}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return "{name: " + example(inner, schemas, depth) + "}" if isinstance(inner, dict) else "{…}"
    return {"date-time": "time", "date": "date"}.get(schema.get("format", ""), schema.get("type", "any"))
