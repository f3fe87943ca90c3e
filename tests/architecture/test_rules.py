"""House rules that a grep can keep: environment, SQL, size, tests that patch, names of machines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture import source

MOST_LINES = 400
CODE = {".py", ".sql", ".js", ".ts", ".tsx", ".css", ".html", ".sh"}
ENVIRONMENT = ("app/settings.py", "app/embedded", "app/cli")
SQL_START = re.compile(
    r"^\s*(select|insert|update|delete|with|merge|create|drop|alter|truncate|grant|revoke|set|listen|notify|explain|call|copy|lock|values|table)\b",
    re.IGNORECASE,
)
TOUCHES_JOBS = re.compile(r"\b(from|join|into|update|table|truncate|only)\s+(public\.)?queue_jobs\b", re.IGNORECASE)
QUEUE_FUNCTIONS = re.compile(
    r"\b(add_queue_job|enqueue_job|claim_job|claim_pending_jobs|complete_queue_jobs?|fail_queue_job|release_queue_job|cancel_queue_job|"
    r"reschedule_queue_job|reset_stalled_jobs|take_back_stalled_jobs|dispatch_jobs|report_job_progress|heartbeat_queue_job)\s*\("
)
CONSTANT = re.compile(r"^_?[A-Z][A-Z0-9_]*$")
MACHINE = re.compile(
    r"(?<![\w.])/(home|Users|root|work|opt/venv|workspace)/\w"
    r"|\b(py[p]i|test\.py[p]i)\.org/simple|python[h]osted\.org|registry\.npm[j]s|artifactory|--(extra-)?index-url|\bPIP_INDEX_URL\b|trusted-host",
)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")


def test_the_environment_is_read_by_the_settings() -> None:
    wrong = []
    for path in source.python(*source.PRODUCT, "alembic"):
        if source.under(path, *ENVIRONMENT):
            continue
        for node in ast.walk(source.tree(path)):
            read = isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "putenv") and _is(node.value, "os")
            if read or (isinstance(node, ast.ImportFrom) and node.module == "os" and {"environ", "getenv"} & {a.name for a in node.names}):
                wrong.append(f"{path}:{node.lineno}")
    assert wrong == []


def test_jobs_are_touched_by_the_queue_alone() -> None:
    wrong = [
        f"{path}:{line} {found.group(0)}" for path in source.python(*source.PRODUCT) if not source.under(path, "app/queue")
        for text, line in source.literals(path) for pattern in (TOUCHES_JOBS, QUEUE_FUNCTIONS) if (found := pattern.search(text))
    ]  # fmt: skip
    assert wrong == []


def test_sql_is_never_put_together_from_values() -> None:
    wrong = [f"{path}:{line} {what}" for path in source.python(*source.PRODUCT) for line, what in _made_up_sql(source.tree(path))]
    assert wrong == []


def test_the_check_of_sql_sees_what_it_must() -> None:
    good = "f'select {COLUMNS} from t where id = :id'\nx = 'select 1'\nf'update {_TABLE} set a = 1'\nf'selected {name}'\n'select 1 ' + WHERE"
    bad = (
        "f'select * from t where id = {id}'", "'select * from t where id = %s' % id", "'delete from {}'.format(name)",
        "'select * from t where ' + condition", "f'select {COLUMNS} from t limit {limit}'", "'update t ' f'set a = {a}'",
    )  # fmt: skip
    assert list(_made_up_sql(ast.parse(good))) == []
    assert [len(list(_made_up_sql(ast.parse(text)))) for text in bad] == [1] * len(bad)


def test_endpoints_commit_so_that_they_know_how_it_ended() -> None:
    """Whoever answers a request has to know whether it was done: `app/db/commit.py transaction()`, never a plain `begin()`."""
    wrong = [
        f"{path}:{node.lineno}" for path in source.python("app") if source.under(path, "app/web")
        for node in ast.walk(source.tree(path)) if isinstance(node, ast.Attribute) and (node.attr, _name(node.value)) == ("begin", "engine")
    ]  # fmt: skip
    assert wrong == []


def test_tables_are_made_by_migrations_alone() -> None:
    wrong = [
        f"{path}:{node.lineno}" for path in source.python() for node in ast.walk(source.tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("create_all", "drop_all")
    ]  # fmt: skip
    assert wrong == []


def test_no_file_is_too_long() -> None:
    long = {
        str(path): lines for path in source.files()
        if path.suffix in CODE and (lines := len((source.ROOT / path).read_bytes().splitlines())) > MOST_LINES
    }  # fmt: skip
    assert long == {}


def test_every_folder_of_code_is_a_package() -> None:
    folders = {path.parent for path in source.python("app", "tasks", "tests")}
    missing = [str(folder) for folder in sorted(folders) if not (source.ROOT / folder / "__init__.py").exists() and folder != Path()]
    assert missing == []


def test_tests_patch_nothing_and_skip_nothing() -> None:
    wrong = []
    for path in source.python("tests"):
        wrong += [f"{path}:{line} {module}" for module, line in source.imported(path) if module.startswith(("unittest.mock", "mock", "pytest_mock"))]
        for node in ast.walk(source.tree(path)):
            if isinstance(node, ast.Attribute) and (node.attr, _name(node.value)) in {
                ("setattr", "monkeypatch"), ("skip", "pytest"), ("skipif", "mark"), ("skip", "mark"), ("xfail", "mark"), ("importorskip", "pytest"),
            }:  # fmt: skip
                wrong.append(f"{path}:{node.lineno} {_name(node.value)}.{node.attr}")
    assert wrong == []


def test_nothing_is_left_unfinished() -> None:
    assert list(_lines(UNFINISHED, {*CODE, ".toml"})) == []


def test_no_machine_and_no_registry_is_named() -> None:
    assert list(_lines(MACHINE, {*CODE, ".toml", ".ini", ".txt", ".md", ".cfg", ".yml", ".yaml", ".json", "", ".mako"})) == []


def _lines(pattern: re.Pattern[str], suffixes: set[str]) -> Iterator[str]:
    """Where a pattern occurs, except in this folder, which must name what it looks for."""
    for path in source.files():
        if path.suffix in suffixes and not source.under(path, "tests/architecture"):
            for number, line in enumerate((source.ROOT / path).read_text(encoding="utf-8", errors="replace").splitlines(), 1):
                if pattern.search(line):
                    yield f"{path}:{number} {line.strip()[:120]}"


def _made_up_sql(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, what) of SQL text that anything but a named constant goes into."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and SQL_START.match(_first(node)):
            for part in node.values:
                if isinstance(part, ast.FormattedValue) and not _is_constant(part.value):
                    yield node.lineno, f"f-string with {ast.unparse(part.value)}"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mod, ast.Add)) and SQL_START.match(_first(node.left)):
            if isinstance(node.op, ast.Mod) or not (_is_constant(node.right) or isinstance(node.right, ast.JoinedStr)):
                yield node.lineno, f"with {ast.unparse(node.right)}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format" and SQL_START.match(_first(node.func.value)):
            yield node.lineno, "format()"


def _first(node: ast.AST) -> str:
    """The text an expression begins with. A sentence that happens to begin with such a word has no `from`, `set`, … after it."""
    if isinstance(node, ast.JoinedStr):
        text = "".join(part.value if isinstance(part, ast.Constant) else " X " for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    elif isinstance(node, ast.BinOp):
        return _first(node.left)
    else:
        return ""
    return text if re.search(r"\b(from|set|into|values|select|table|where|returning|listen|notify)\b", text) else ""


def _name(node: ast.AST) -> str:
    """The last name of `a` or `a.b`, or the empty string."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_constant(node: ast.AST) -> bool:
    """Whether an expression is made of literals and named constants alone: `COLUMNS`, `", ".join(COLUMNS)`."""
    return all(CONSTANT.match(name.id) for name in ast.walk(node) if isinstance(name, ast.Name))


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def test_who_leaves_a_users_rights_is_known() -> None:
    """docs/decisions/0130-users-in-the-database.md says why each does."""
    found = {
        (str(path), node.func.id) for path in source.python("app") for node in ast.walk(source.tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        and (node.func.id == "owner_rights" or node.func.id == "acting_as" and ast.unparse(node.args[0]) == "None")
    }  # fmt: skip
    assert found == {
        ("app/web/calendar.py", "owner_rights"), ("app/web/calendar.py", "acting_as"), ("app/web/notifications.py", "owner_rights"),
        ("app/web/phases.py", "owner_rights"), ("app/web/phases.py", "acting_as"), ("app/db/meters.py", "acting_as"),
        ("app/web/brief_requests.py", "acting_as"),
    }  # fmt: skip
