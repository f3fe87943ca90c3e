"""The pages of the docs that are made from the code: `make docs-pages` writes them, a test holds them to it.

python -m tests.docs.pages        with DATABASE_URL of a migrated database, from whose catalogue the SQL functions are read
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from app.queue.catalog import JOB_TYPES
from app.queue.types_page import page as job_types_page
from app.realtime.events import EVENTS
from app.settings_table import table as settings_page
from app.web.app import create_app
from app.web.openapi import build_spec, described_endpoints
from app.web.pages import VERSION, example
from app.wiring import build
from tests.support.servers import ROOT, plain_settings

DOCS = ROOT / "docs"


def endpoints_page() -> str:
    """Every endpoint with what it takes and gives, from the OpenAPI description."""
    app = create_app(build(plain_settings()))
    spec = build_spec(app, version=VERSION)
    operators = {
        (each.method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", each.path))
        for each in described_endpoints(app)
        if each.operator
    }
    schemas = spec["components"]["schemas"]
    lines = [
        "# Endpoints", "",
        "Made from the OpenAPI description that a running API serves at `/openapi.json`, and to read at `/docs`. What holds for all of them is in",
        "[The HTTP API](../http-api.md). `?` marks what may be left out. Every error is `{error, code, details?}`.",
    ]  # fmt: skip
    tags = dict.fromkeys(operation["tags"][0] for methods in spec["paths"].values() for operation in methods.values())
    for tag in tags:
        lines += ["", f"## {tag.replace('_', ' ').capitalize()}"]
        for path, methods in spec["paths"].items():
            for method, operation in methods.items():
                if operation["tags"][0] == tag:
                    lines += _endpoint(method, path, operation, schemas, operator=(method, path) in operators)
    return "\n".join(lines) + "\n"


def _endpoint(
    method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any], *, operator: bool
) -> list[str]:
    who = "operators" if operator else "anyone" if operation["security"] == [{}] else "the user's own token, operators"
    lines = ["", f"### `{method.upper()} {path}`", "", f"{operation['summary']}. For {who}."]
    query = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    if query:
        shown = ", ".join(
            f"`{each['name']}{'' if each['required'] else '?'}`: {_cell(example(each['schema'], schemas))}"
            for each in query
        )
        lines += ["", f"Query: {shown}"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    given = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema")
    for head, schema in (("Request", body), ("Reply", given)):
        if schema is not None:
            lines += ["", f"{head}:", "", "```text", example(schema, schemas), "```"]
    errors = [status for status in operation["responses"] if status not in ("200", "302")]
    return lines + ["", f"Errors: {', '.join(errors)}"] if errors else lines


def _cell(text: str) -> str:
    return f"`{text}`" if "\n" not in text else text


def events_page() -> str:
    """The named events and their payloads."""
    lines = [
        "# Events", "",
        "What a browser hears by name, besides the changes of its rows: [Live changes](../realtime.md). An event is a row written in the",
        "transaction of what it tells of, so it is sent when, and only if, that commits. Made from `app/realtime/events.py`.", "",
        "| event | payload |", "|---|---|",
    ]  # fmt: skip
    for name, model in EVENTS.items():
        fields = ", ".join(f"`{key}{'' if field.is_required() else '?'}`" for key, field in model.model_fields.items())
        lines.append(f"| `{name}` | {fields} |")
    return "\n".join(lines) + "\n"


_FUNCTIONS = """
    select p.proname as name, pg_get_function_arguments(p.oid) as arguments, pg_get_function_result(p.oid) as result
    from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype
      and has_function_privilege('service_role', p.oid, 'execute')
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    order by p.proname, p.pronargs
"""
CREATED = re.compile(r"((?:^--[^\n]*\n)*)^create (?:or replace )?function (\w+)\s*\(", re.MULTILINE)


def sql_functions_page(url: str) -> str:
    """Every SQL function that the service role may call, from the catalogue of a migrated database, with what its author says of it."""
    with psycopg.connect(url) as conn:
        found = conn.execute(_FUNCTIONS).fetchall()
    said = _comments()
    lines = [
        "# SQL functions", "",
        "Every function that `service_role` may call, and nobody else, as the database has it. How to use those that are meant for others is in",
        "[The SQL API](../sql-api.md); the rest are the system's own. Made from the catalogue of a migrated database.",
    ]  # fmt: skip
    for name, arguments, result in found:
        lines += ["", f"### `{name}`", "", "```text", f"{name}({_wrapped(arguments)}) → {result}", "```"]
        if said.get(name):
            lines += ["", said[name]]
    return "\n".join(lines) + "\n"


def _wrapped(arguments: str) -> str:
    parts = arguments.split(", ")
    return arguments if len(arguments) < 90 else "\n    " + ",\n    ".join(parts) + "\n"


def _comments() -> dict[str, str]:
    """What stands above each function in the newest migration that has something to say of it."""
    said: dict[str, str] = {}
    for path in sorted((ROOT / "alembic" / "sql").rglob("*.sql")):
        if path.name != "down.sql" and not path.name.endswith(".down.sql"):
            for comment, name in CREATED.findall(path.read_text(encoding="utf-8")):
                words = " ".join(line.removeprefix("--").strip() for line in comment.splitlines())
                if words:
                    said[name] = words.replace("<", "&lt;")
    return said


def _listed(folder: str, head: str) -> str:
    pages = [page for page in sorted((DOCS / folder).glob("*.md")) if page.name != "README.md"]
    return head + "".join(f"- [{_title(page)}]({page.name})\n" for page in pages)


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("# ")


def decisions_page() -> str:
    """The list of decisions."""
    return _listed(
        "decisions",
        "# Decisions\n\nWhy it is built this way: a page each, with the question, the answer and what was measured.\n\n",
    )


def jobs_page() -> str:
    """The list of job types, with the first words of each page."""
    lines = [
        "# Job types",
        "",
        "A page for each; what they take and give is in [the reference](../reference/job-types.md).",
        "",
        "| type | |",
        "|---|---|",
    ]
    for name, known in JOB_TYPES.items():
        page = DOCS / "jobs" / f"{name}.md"
        if page.exists():
            first = page.read_text(encoding="utf-8").split("\n\n")[1].replace("\n", " ")
            lines.append(f"| [`{name}`]({name}.md) | {known.label}. {first} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "reference/job-types.md": lambda: job_types_page(JOB_TYPES.values()),
    "reference/endpoints.md": endpoints_page,
    "reference/events.md": events_page,
    "decisions/README.md": decisions_page,
    "jobs/README.md": jobs_page,
}
FROM_THE_DATABASE: dict[str, Callable[[str], str]] = {"reference/sql-functions.md": sql_functions_page}


def write(url: str) -> None:
    """Write every page."""
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")
    for name, make in FROM_THE_DATABASE.items():
        (DOCS / name).write_text(make(url), encoding="utf-8")


def main() -> None:
    """Write them from a database of its own."""
    import tempfile

    from tests.support import servers

    with tempfile.TemporaryDirectory() as folder, servers.postgres(Path(folder), servers.session_binaries()) as server:
        write(server.url(servers.migrated_template(server)))


if __name__ == "__main__":
    main()
