"""A table in a text file: header and rows, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from app.formats.problems import ImportProblem, Notes, shown

MAX_CELL = 1_000_000  # characters
DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Row:
    """The cells of one row by column name (small letters), stripped; `line` is where it starts in the file."""

    line: int
    cells: dict[str, str]

    def get(self, column: str) -> str:
        """The cell, empty where the row or the table has none."""
        return self.cells.get(column, "")

    @property
    def where(self) -> str:
        return f"line {self.line}"


@dataclass(frozen=True)
class Table:
    """`columns` in the order of the file, in small letters."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(text: str, notes: Notes) -> Table:
    """Read a table whose first filled line is its header. Rows that cannot be read are refused in `notes`.

    Raises ImportProblem where there is no header, or the table cannot be read on from some line.
    """
    csv.field_size_limit(MAX_CELL)
    text = text.lstrip("\ufeff")
    first = next((line for line in text.splitlines() if line.strip()), "")
    told = first[4:5] if first.lower().startswith("sep=") else ""  # Excel's note of its separator
    head = next((line for line in text.splitlines() if line.strip() and not (told and line == first)), "")
    delimiter = told or max(DELIMITERS, key=lambda char: _outside_quotes(head, char))
    records = _records(text, delimiter, notes, skip_first=bool(told))
    header_line, header = next(records, (0, []))
    columns = tuple(" ".join(cell.split()).lower() for cell in header)
    if not any(columns):
        raise ImportProblem("has no header line")
    doubled = {column for column in columns if column and columns.count(column) > 1}
    if doubled:
        raise ImportProblem(f"line {header_line}: the column {shown(min(doubled))} is there twice")
    return Table(columns, tuple(_rows(columns, records, notes)))


def _rows(columns: tuple[str, ...], records: Iterator[tuple[int, list[str]]], notes: Notes) -> Iterator[Row]:
    for line, cells in records:
        extra = [cell for cell in cells[len(columns) :] if cell.strip()]
        if extra:
            problem = (
                f"has {len(cells)} cells for {len(columns)} columns (a text that holds the separator needs quotes)"
            )
            notes.problems.append(ImportProblem(problem, f"line {line}"))
            continue
        yield Row(line, {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name})


def _records(text: str, delimiter: str, notes: Notes, skip_first: bool) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = "a quoted text is not closed" if "end of data" in str(error) else str(error)
            notes.problems.append(ImportProblem(reason, f"line {line}"))
            continue
        if skip_first and any(cells):
            skip_first = False
        elif any(cell.strip() for cell in cells):
            yield line, cells


def _outside_quotes(line: str, char: str) -> int:
    return sum(part.count(char) for part in line.split('"')[::2])
