"""`buildos import` as a person runs it: files, messages, the summary, the exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.import_files import import_file
from app.formats.counts import Counts
from tests.integration.imports.test_calendar_import import add_user, rows
from tests.support.calendars import NOW, calendar
from tests.support.servers import ROOT, Database

SAMPLES = ROOT / "docs" / "samples"
REAL = Path(os.environ.get("BUILDOS_REAL_DATA") or ROOT.parent / "shared" / "data")
OWN = ROOT / "tests" / "data"
FILES = [*sorted(OWN.glob("*.ics")), *(sorted(REAL.glob("*.ics")) if REAL.is_dir() else [])]


def run(url: str, *arguments: object, user: str = "Ann@Example.org") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", "import", "--user", user, *map(str, arguments)]
    environment = {**os.environ, "DATABASE_URL": url, "COLUMNS": "120"}
    return subprocess.run(command, check=False, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.fixture
def url(database: Database) -> str:
    add_user(database, "ann@example.org", "Europe/Berlin")
    return database.url


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_real_files_import_fully_and_again_without_a_change(database: Database, path: Path):
    user_id = add_user(database, "ann@example.org", "Europe/Berlin")
    first, second = (import_file(database.engine, user_id, path.name, path.read_bytes(), NOW) for _ in range(2))
    assert (first.problems, first.warnings) == ([], [])
    assert first.counts["events"].added > 0
    assert second.counts == {kind: Counts(unchanged=counts.added) for kind, counts in first.counts.items()}


def test_the_samples_of_the_documentation(url: str, database: Database):
    result = run(url, *sorted(SAMPLES.iterdir()))
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["file", "added", "updated", "unchanged", "removed", "refused"]
    assert lines[1][:3] == ["calendar.ics", "events", "3"]
    assert ["tasks", "1", "0", "0", "0"] in lines
    assert ["tasks.csv", "tasks", "6", "0", "0", "0", "0"] in lines
    assert ["todoist.csv", "tasks", "7", "0", "0", "0", "0"] in lines
    assert rows(database, "select name from projects order by 1") == [
        ("Garden",),
        ("Sample",),
        ("Website launch",),
        ("todoist",),
    ]


def test_a_broken_file_names_its_entry_and_imports_the_rest(url: str, database: Database, tmp_path: Path):
    (tmp_path / "work.ics").write_text(calendar("UID:good\nDTSTART:20260301T100000Z", "UID:abc\nDTSTART:soon"))
    (tmp_path / "list.csv").write_text("title,due_date\nMilk,\nBread,soon\n")
    (tmp_path / "empty.ics").write_bytes(b"")
    (tmp_path / "picture.ics").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    (tmp_path / "letter.ics").write_text("Dear Ann")
    (tmp_path / "notes.txt").write_text("Dear Ann\nhow, are, you?")
    result = run(url, *sorted(tmp_path.iterdir()), tmp_path / "missing.ics", tmp_path)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "empty.ics: is empty",
        "letter.ics: is not a calendar: it has no BEGIN:VCALENDAR",
        "list.csv: line 3: due_date is not a date (2026-12-24) or time (2026-12-24T14:00+01:00): soon",
        "notes.txt: has no column title (its columns: dear ann)",
        "picture.ics: is not a text file",
        "work.ics: entry 2 (UID abc, line 7): DTSTART is not a date or time: soon",
        f"{tmp_path / 'missing.ics'}: no such file or directory",
        f"{tmp_path}: is a directory",
    ]
    assert rows(database, "select external_id from calendar_events union all select title from tasks order by 1") == [
        ("Milk",),
        ("good",),
    ]


def test_an_unknown_user_and_a_database_that_is_away_end_in_one_line(url: str):
    unknown = run(url, OWN / "home.ics", user="nobody@example.org")
    assert (unknown.returncode, unknown.stderr) == (1, "buildos: there is no user nobody@example.org\n")
    away = run("postgresql://nobody@127.0.0.1:1/none", OWN / "home.ics")
    assert away.returncode == 1
    assert away.stderr.startswith("buildos: the database cannot be used: ")
    assert away.stderr.count("\n") == 1
