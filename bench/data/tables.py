"""The competition's tables, checked. An error names the file, the first bad row, their number, and the cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.errors import DataError
from bench.files.csv_cells import check_cells
from bench.targets import POINT_COLUMNS, POINT_TARGET_INDEX, SERIES_DESCRIPTIONS, SEVERITIES, TARGET_NAMES

LABELS = "train.csv"
POINTS = "train_label_coordinates.csv"
SERIES = "train_series_descriptions.csv"
SERIES_COLUMNS = ("study_id", "series_id", "series_description")


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """The three tables of a data folder.

    Attributes:
        labels: indexed by study_id in ascending order; 25 columns of severities in the order of `TARGET_NAMES`, NaN
            where a label is missing.
        points: ``study_id, series_id, instance_number, condition, level, x, y``.
        series: ``study_id, series_id, series_description``.
    """

    labels: pd.DataFrame
    points: pd.DataFrame
    series: pd.DataFrame


def read_tables(folder: Path) -> Tables:
    """Read and check ``train.csv``, ``train_label_coordinates.csv`` and ``train_series_descriptions.csv``.

    Each may be compressed (``.csv.gz``). Rows of the last two that belong to studies without a row in ``train.csv`` are
    left out, so that a subset of the studies can be selected by shortening ``train.csv`` alone.

    Raises:
        DataError: a table is missing or has invalid values.
    """
    labels = read_labels(table_path(folder, LABELS))
    series = read_series(table_path(folder, SERIES))
    points = read_points(table_path(folder, POINTS))
    _check_points_against(series, points, table_path(folder, POINTS))
    studies = set(labels.index)
    return Tables(
        labels,
        points[points["study_id"].isin(studies)].reset_index(drop=True),
        series[series["study_id"].isin(studies)].reset_index(drop=True),
    )


def table_path(folder: Path, name: str) -> Path:
    """The path of a table, plain or compressed. Raises DataError if there is none."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(
        f"{folder} has no {name}. Pass the competition's folder with --data: three tables and train_images."
    )


def read_labels(path: Path) -> pd.DataFrame:
    """A label table in the format of ``train.csv``; see `Tables`."""
    rows = _Rows(path, ("study_id", *TARGET_NAMES))
    table = rows.table
    table["study_id"] = rows.whole_numbers("study_id")
    rows.refuse(table["study_id"].duplicated(), "lists a study a second time", ["study_id"], "Keep one row per study.")
    for name in TARGET_NAMES:
        wrong = table[name].notna() & ~table[name].isin(SEVERITIES)
        rows.refuse(
            wrong, "has an unknown severity", ["study_id", name], f"Allowed: {', '.join(SEVERITIES)}, or blank."
        )
    return table.set_index("study_id")[list(TARGET_NAMES)].sort_index()


def read_points(path: Path) -> pd.DataFrame:
    """A point table in the format of ``train_label_coordinates.csv``; see `Tables`."""
    rows = _Rows(path, POINT_COLUMNS)
    table = rows.table
    for column in ("study_id", "series_id", "instance_number"):
        table[column] = rows.whole_numbers(column)
    for column in ("x", "y"):
        table[column] = rows.numbers(column)
    known = [pair in POINT_TARGET_INDEX for pair in zip(table["condition"], table["level"], strict=True)]
    allowed = (
        sorted({condition for condition, _ in POINT_TARGET_INDEX}),
        sorted({level for _, level in POINT_TARGET_INDEX}),
    )
    cure = f"Conditions: {', '.join(allowed[0])}. Levels: {', '.join(allowed[1])}."
    rows.refuse(~np.array(known, dtype=bool), "names an unknown condition or level", ["condition", "level"], cure)
    key = ["study_id", "condition", "level"]
    rows.refuse(table.duplicated(key), "has a second point of a target", key, "Keep one point per target.")
    return table[list(POINT_COLUMNS)]


def read_series(path: Path) -> pd.DataFrame:
    """A series table in the format of ``train_series_descriptions.csv``; see `Tables`."""
    rows = _Rows(path, SERIES_COLUMNS)
    table = rows.table
    for column in ("study_id", "series_id"):
        table[column] = rows.whole_numbers(column)
    wrong = ~table["series_description"].isin(SERIES_DESCRIPTIONS)
    cure = f"Allowed: {', '.join(SERIES_DESCRIPTIONS)}."
    rows.refuse(wrong, "has an unknown description", ["series_id", "series_description"], cure)
    rows.refuse(
        table["series_id"].duplicated(), "lists a series a second time", ["series_id"], "Keep one row per series."
    )
    return table[list(SERIES_COLUMNS)]


def _check_points_against(series: pd.DataFrame, points: pd.DataFrame, path: Path) -> None:
    study_of = series.set_index("series_id")["study_id"]
    wrong = (points["series_id"].map(study_of) != points["study_id"]).to_numpy()
    cure = f"Add the series to {SERIES}, or drop these points."
    refuse(path, points, wrong, f"has a point on a series that is not in {SERIES}", ["study_id", "series_id"], cure)


class _Rows:
    """One table as text, and the checks on it."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        check_cells(path)
        try:
            self.table = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], skipinitialspace=True)
        except pd.errors.EmptyDataError:
            raise DataError(f"{path} is empty. Copy it again from the competition's data.") from None
        except (pd.errors.ParserError, UnicodeDecodeError, OSError, EOFError) as error:
            raise DataError(f"{path} is not a readable CSV table: {error}") from None
        missing = [column for column in columns if column not in self.table.columns]
        if missing:
            raise DataError(
                f"{path} lacks the column {missing[0]!r} ({len(missing)} missing). "
                f"It has: {', '.join(map(str, self.table.columns))}."
            )
        if self.table.empty:
            raise DataError(f"{path} has a header and no rows. Copy it again from the competition's data.")

    def whole_numbers(self, column: str) -> pd.Series:
        """The column as int64. Raises DataError for any other value."""
        text = self.table[column].fillna("")
        wrong = ~text.str.fullmatch(r"\d{1,18}")
        self.refuse(
            wrong,
            f"has a value of {column} that is not a whole number",
            [column],
            "Ids and instance numbers consist of digits.",
        )
        return text.astype(np.int64)

    def numbers(self, column: str) -> pd.Series:
        """The column as finite float64. Raises DataError for any other value."""
        values = pd.to_numeric(self.table[column], errors="coerce").astype(np.float64)
        self.refuse(
            ~np.isfinite(values),
            f"has a value of {column} that is not a finite number",
            [column],
            "Write numbers such as 322.8.",
        )
        return values

    def refuse(self, wrong: object, what: str, show: Sequence[str], cure: str) -> None:
        """Raise DataError if any row is wrong; the message shows these columns of the first one."""
        refuse(self.path, self.table, wrong, what, show, cure)


def refuse(path: Path, table: pd.DataFrame, wrong: object, what: str, show: Sequence[str], cure: str) -> None:
    """Raise DataError for the first row of ``table`` where the mask ``wrong`` is set, if there is one."""
    mask = np.asarray(wrong, dtype=bool)
    if not mask.any():
        return
    first = int(np.flatnonzero(mask)[0])
    values = ", ".join(f"{column} {table[column].tolist()[first]!r}" for column in show)
    count = int(mask.sum())
    rows = "row" if count == 1 else "rows"
    # Line 1 is the header.
    raise DataError(f"{path} line {first + 2} {what}: {values} ({count} such {rows}). {cure}")
