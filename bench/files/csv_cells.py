"""Rows of a CSV file with another number of cells than its header: their values would shift in silence."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

from bench.errors import DataError
from bench.files.inflated import check_inflated

_LONGEST_SHOWN = 60


def check_cells(path: Path) -> None:
    """Raise DataError for the first row with more or fewer cells than the header, with its line and content.

    A compressed file that inflates beyond what a table may have is a DataError too.

    Rows that all have one more, the row's name before the others, are as R writes them, and are right. Files that are
    no text, or compressed by other means than gzip, are the reader's to judge; what can be read once alone is not read.
    """
    if not path.is_file():
        return
    check_inflated(path)
    unpacked = gzip.open if path.suffix == ".gz" else open
    try:
        with unpacked(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error):
        return
    if not rows:
        return
    (_, header), *body = rows
    wrong = [(line, row) for line, row in body if len(row) != len(header)]
    if not wrong or _have_names(header, body):
        return
    line, row = wrong[0]
    shown = ",".join(row)
    shown = shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "..."
    more = len(row) - len(header)
    cells = "1 cell" if abs(more) == 1 else f"{abs(more)} cells"
    cure = "Remove it, or put text that holds a comma in quotes." if more > 0 else "Fill it up with commas."
    raise DataError(
        f"{path} line {line} has {cells} too {'many' if more > 0 else 'few'}: {shown!r} ({len(row)} cells, the header "
        f"has {len(header)}; {len(wrong)} such {'row' if len(wrong) == 1 else 'rows'}). {cure}"
    )


def _have_names(header: Sequence[str], body: Sequence[tuple[int, Sequence[str]]]) -> bool:
    one_more = all(len(row) == len(header) + 1 for _, row in body)
    return one_more and any(row[-1] for _, row in body)
