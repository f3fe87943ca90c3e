"""Nothing newer than Postgres 14 is written in a migration, also where no test server is that old (CONTRACT 3)."""

from __future__ import annotations

import re
from pathlib import Path

NEWER = {
    15: [
        r"\bmerge\s+into\b", r"nulls\s+not\s+distinct", r"security_invoker", r"regexp_(like|count|instr|substr)\s*\(", r"range_agg\s*\(\s*\w+multirange",
        r"\bpg_walinspect\b", r"alter\s+system\s+.*grant", r"on\s+delete\s+set\s+(null|default)\s*\(",
    ],
    16: [
        r"\bany_value\s*\(", r"\bis\s+(not\s+)?json\b", r"json_(array|object)(agg)?\s*\([^)]*\b(absent|null)\s+on\s+null", r"\bpg_input_", r"\brandom_normal\s*\(",
        r"\bdate_(add|subtract)\s*\(", r"\barray_(sample|shuffle)\s*\(", r"\b0x[0-9a-f]+\b", r"\b\d+_\d+\b", r"\bsystem_user\b",
    ],
    17: [
        r"\bjson_(table|exists|query|value|scalar|serialize)\s*\(", r"\buuid_extract_", r"\bto_(bin|oct)\s*\(", r"grant\s+maintain", r"\bat\s+local\b",
        r"random\s*\(\s*\d+\s*,", r"\btransaction_timeout\b", r"merge.*returning", r"unicode_assigned",
    ],
    18: [r"\buuidv[47]\s*\(", r"returning\s+(with\s*\(|old\.|new\.)", r"\bvirtual\b", r"without\s+overlaps", r"not\s+enforced", r"\barray_(sort|reverse)\s*\(",
         r"\bcasefold\s*\(", r"\bcrc32c?\s*\("],
}  # fmt: skip


def _statements(path: Path) -> str:
    return re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8")).lower()


def test_no_feature_newer_than_14(root: Path) -> None:
    files = sorted((root / "alembic" / "sql").rglob("*.sql"))
    assert files
    found = [
        f"{path.relative_to(root)}: Postgres {version}: {match.group(0)}"
        for path in files for version, patterns in NEWER.items() for pattern in patterns
        for match in re.finditer(pattern, _statements(path))
    ]  # fmt: skip
    assert found == []


def test_every_migration_carries_its_way_back(root: Path) -> None:
    folders = [path for path in (root / "alembic" / "sql").iterdir() if path.is_dir()]
    assert all((folder / "down.sql").exists() for folder in folders)
    ups = {path.name.removesuffix(".up.sql") for path in (root / "alembic" / "sql").glob("*.up.sql")}
    downs = {path.name.removesuffix(".down.sql") for path in (root / "alembic" / "sql").glob("*.down.sql")}
    assert ups == downs
