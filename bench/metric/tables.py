"""Reading the metric's CSV files and reporting their faults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import DataError, UsageError
from bench.files.csv_cells import check_cells

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

SUBMISSION_FORMAT = "row_id,normal_mild,moderate,severe"


def read_csv(path: Path) -> pd.DataFrame:
    """A CSV file as text cells, empty ones as ``""``, so that error messages can quote the file.

    Raises:
        UsageError: there is no such file.
        DataError: it is empty, has only a header, or is not a CSV file in UTF-8.
    """
    import pandas as pd

    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: a folder, a device or a pipe. Name a regular CSV file.")
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Name a CSV file that exists.")
    check_cells(path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: the file is empty. It needs a header line and at least one row.") from None
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8 ({str(error).strip()}). Save it as plain CSV.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from None
    if table.empty:
        raise DataError(f"{path}: the file has a header but no rows. It needs at least one.")
    if not isinstance(table.index, pd.RangeIndex):
        raise DataError(f"{path}: rows have more cells than the header has names. Write one cell per column.")
    return table


def as_text(column: pd.Series) -> pd.Series:
    """A column as stripped strings, missing ones as ``""``."""
    return column.astype(object).where(column.notna(), "").map(lambda cell: str(cell).strip())


def as_ids(names: pd.Series) -> pd.Series:
    """Study or row ids with their numbers as integers are written, so that ``07`` is ``7``."""
    return names.str.replace(r"^0+(?=[0-9])", "", regex=True)


def as_numbers(column: pd.Series) -> NDArray[np.float64]:
    """A column as floats, NaN where a cell is empty or not a number."""
    import pandas as pd

    return pd.to_numeric(as_text(column), errors="coerce").to_numpy(dtype=np.float64)


def refuse(
    source: str, bad: ArrayLike, names: pd.Series, what: str, cure: str, *, cells: NDArray[np.object_] | None = None
) -> None:
    """Raise a DataError that names the first bad row and how many there are; do nothing if none is bad.

    Args:
        source: name of the table.
        bad: (rows,) which are bad.
        names: (rows,) what the rows are called.
        what: what is wrong with them.
        cure: what helps.
        cells: (rows, columns) what to quote of the first bad row, if anything.
    """
    bad = np.asarray(bad, dtype=bool)
    if bad.any():
        place, count = int(np.argmax(bad)), int(bad.sum())
        rows = "1 such row" if count == 1 else f"{count} such rows"
        quoted = "" if cells is None else f"; the first has {', '.join(str(cell)[:30] or '-' for cell in cells[place])}"
        raise DataError(f"{source}: {what} (first: {names.iloc[place]!r}; {rows}{quoted}). {cure}")


def refuse_duplicates(source: str, names: pd.Series) -> None:
    """Raise a DataError if a name occurs twice."""
    refuse(source, names.duplicated().to_numpy(), names, f"duplicate {names.name}", "Keep one row of each.")


def require_columns(source: str, table: pd.DataFrame, columns: tuple[str, ...], cure: str) -> None:
    """Raise a DataError if a column is absent or occurs twice."""
    absent = [column for column in columns if column not in table.columns]
    if absent:
        there = ", ".join(map(str, table.columns[:8])) or "none"
        more = f" and {len(table.columns) - 8} more" if len(table.columns) > 8 else ""
        raise DataError(
            f"{source}: column {absent[0]!r} is missing ({len(absent)} such); the columns are: {there}{more}. {cure}"
        )
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise DataError(f"{source}: column {twice[0]!r} occurs twice. Keep one of them.")
