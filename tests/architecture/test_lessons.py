"""What went wrong in the original and a look at the source can keep away (CONTRACT 13)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture import source

# A library or Celery that tries again by itself is a second owner of retries: what it sends goes out twice.
TRIES_AGAIN = {"autoretry_for", "retry_backoff", "retry_kwargs", "max_retries", "retry_on_timeout"}
SECRET = re.compile(r"secret|signature|password|api_?key|service_key|bearer|digest|hmac", re.IGNORECASE)
OUTCOMES = re.compile(r"^app\.queue\.(claims|dispatching|inline|archive)(\.|$)")


def test_the_queue_alone_tries_again() -> None:
    wrong = []
    for path in source.python("app", "tasks"):
        if source.under(path, "app/db", "app/embedded", "app/cli", "app/client.py"):
            continue
        for node in ast.walk(source.tree(path)):
            if isinstance(node, ast.keyword) and node.arg in TRIES_AGAIN and not _is_nothing(node.value):
                wrong.append(f"{path}:{node.value.lineno} {node.arg}")
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "retry":
                wrong.append(f"{path}:{node.lineno} {ast.unparse(node.func)}()")
    assert wrong == []


def test_no_feature_ends_a_job_itself() -> None:
    """A processor returns its result and the runner stores it; one that wrote `completed` itself lost it."""
    wrong = [
        f"{path}:{line} {module}" for path in source.python("app/features", "app/adapters") for module, line in source.imported(path)
        if OUTCOMES.match(module) and not source.under(path, "app/features/upkeep")
    ]  # fmt: skip
    assert wrong == []


def test_secrets_are_compared_in_constant_time() -> None:
    wrong = [f"{path}:{line} {what}" for path in source.python("app", "tasks") for line, what in _compared(source.tree(path))]
    assert wrong == []


def test_the_check_of_comparisons_sees_what_it_must() -> None:
    bad = ("given == settings.service_key.get_secret_value()", "signature != sign(body)", "digest(a) == kept")
    good = ("hmac.compare_digest(secret, given)", "if not secret: pass", "token == other", "secret is None", "len(secret) == 16")
    assert [len(list(_compared(ast.parse(text)))) for text in bad] == [1] * len(bad)
    assert [list(_compared(ast.parse(text))) for text in good] == [[]] * len(good)


def _compared(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(each, (ast.Eq, ast.NotEq)) for each in node.ops):
            names = [
                each.id if isinstance(each, ast.Name) else each.attr
                for side in (node.left, *node.comparators) if not ast.unparse(side).startswith("len(")
                for each in ast.walk(side) if isinstance(each, (ast.Name, ast.Attribute))
            ]  # fmt: skip
            if any(SECRET.search(name) for name in names):
                yield node.lineno, ast.unparse(node)


def _is_nothing(value: ast.AST) -> bool:
    return isinstance(value, ast.Constant) and value.value in (0, None, False)
