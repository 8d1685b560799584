"""Every table as a CSV file of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from bench.files.atomic import write_text
from bench.files.foreign import csv_cell

from ..model import Cell, Column, Document, Table


def write_csv(documents: Sequence[Document], folder: Path) -> None:
    """Write the tables into a folder; with several data sets, each in a subfolder of it."""
    for document in documents:
        own = folder if len(documents) == 1 else folder / document.key
        for section in document.sections:
            for table in section.tables:
                write_text(own / f"{table.key}.csv", csv_text(table))


def csv_text(table: Table) -> str:
    """A table with full precision; an interval becomes two columns, and texts cannot be taken for formulas."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([name for column in table.columns for name in _headings(column)])
    for row in table.rows:
        writer.writerow(
            [value for cell, column in zip(row, table.columns, strict=True) for value in _values(cell, column)]
        )
    return stream.getvalue()


def _headings(column: Column) -> list[str]:
    name = csv_cell(column.name)
    return [f"{name} low", f"{name} high"] if column.kind == "interval" else [name]


def _values(cell: Cell, column: Column) -> list[str]:
    if column.kind == "interval":
        return ["", ""] if not isinstance(cell.value, tuple) else [repr(end) for end in cell.value]
    if cell.value is None:
        return [""]
    return [csv_cell(cell.value) if isinstance(cell.value, str) else repr(cell.value)]
