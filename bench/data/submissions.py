"""Predictions of one approach that were made elsewhere: several files in the submission format, checked and joined."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.errors import DataError
from bench.metric.solution import Solution
from bench.metric.submission import align
from bench.metric.tables import as_ids, as_text, read_csv, refuse
from bench.metric.terms import class_weights
from bench.targets import PROBABILITY_COLUMNS, TARGET_INDEX, TARGET_NAMES

_ROW_ID = r"^([0-9]{1,18})_(.+)$"
CURE_SUMS = "Divide each row by its sum."


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """The predictions of all files together.

    Attributes:
        probabilities: (N, 25, 3) as submitted; NaN where no file has the row.
        digests: sha256 of each file's contents, in the order given.
        left_out: rows of studies that the data set leaves out for all approaches; they are dropped.
    """

    probabilities: NDArray[np.float64]
    digests: tuple[str, ...]
    left_out: int

    @property
    def absent(self) -> NDArray[np.bool_]:
        """(N, 25) rows that no file has."""
        return np.asarray(np.isnan(self.probabilities[..., 0]))


def join_submissions(
    files: Sequence[Path], study_ids: NDArray[np.int64], grades: NDArray[np.int8], left_out: Collection[int] = ()
) -> Joined:
    """Read files that hold predictions of one approach: of different studies, conditions or both.

    Args:
        files: CSV files with ``row_id, normal_mild, moderate, severe``; may be compressed.
        study_ids: (N,) the studies of the split.
        grades: (N, 25) their labels.
        left_out: studies that the data set leaves out; their rows are dropped.

    Raises:
        UsageError: a file is absent.
        DataError: a file has the wrong columns, a row of an unknown study or target, a value that is no probability, a
            row that does not sum to 1 within 0.001; two files hold different values for one row; no row is left.
    """
    solution = Solution(study_ids, grades, class_weights(grades), np.ones(grades.shape, dtype=bool))
    whole = np.full((*grades.shape, len(PROBABILITY_COLUMNS)), np.nan)
    origin = np.full(grades.shape, -1)  # (N, 25) which file a row is from
    digests, dropped = [], 0
    for number, path in enumerate(files):
        table, gone = _known_rows(read_csv(path), str(path), study_ids, left_out)
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
        dropped += gone
        if table.empty:
            continue
        values = align(table, solution, str(path), strict=True, may_lack_rows=True, cure_sums=CURE_SUMS)
        _refuse_contradictions(whole, values, study_ids, files, origin, number)
        found = ~np.isnan(values[..., 0])
        whole[found], origin[found] = values[found], number
    joined = Joined(whole, tuple(digests), dropped)
    if joined.absent.all():
        raise DataError(f"{', '.join(map(str, files))}: no row of a study of this data set. Give another file.")
    return joined


def _known_rows(
    table: pd.DataFrame, source: str, study_ids: NDArray[np.int64], left_out: Collection[int]
) -> tuple[pd.DataFrame, int]:
    """The rows of the data set's studies, and how many are of studies that it leaves out."""
    if "row_id" not in table.columns:
        return table, 0  # `align` names the columns that there are
    names = as_ids(as_text(table["row_id"]))
    parts = names.str.extract(_ROW_ID)
    cure = f"Write study, underscore and one of the 25 target names, such as {study_ids[0]}_{TARGET_NAMES[0]}."
    refuse(source, ~parts[1].isin(TARGET_INDEX).to_numpy(bool), names, "row_id names no study and target", cure)
    studies = parts[0].astype(np.int64)
    gone = studies.isin(set(left_out)).to_numpy(bool)
    strange = ~studies.isin(set(study_ids.tolist())).to_numpy(bool) & ~gone
    cure = "Remove these rows, or give the label table that holds these studies with --labels."
    what = f"row of a study that the label table of {len(study_ids)} studies lacks"
    refuse(source, strange, names, what, cure)
    return table[~gone].reset_index(drop=True), int(gone.sum())


def _refuse_contradictions(
    whole: NDArray[np.float64],
    values: NDArray[np.float64],
    study_ids: NDArray[np.int64],
    files: Sequence[Path],
    origin: NDArray[np.int64],
    number: int,
) -> None:
    """Refuse rows that an earlier file has with other values."""
    both = ~np.isnan(whole[..., 0]) & ~np.isnan(values[..., 0])
    differ = both & (whole != values).any(axis=-1)
    if not differ.any():
        return
    study, target = np.argwhere(differ)[0]
    row = f"{study_ids[study]}_{TARGET_NAMES[target]}"
    said, before = (", ".join(f"{value:.6g}" for value in each[study, target]) for each in (values, whole))
    raise DataError(
        f"{files[number]}: row {row!r} has {said}, but {files[origin[study, target]]} has {before} "
        f"({int(differ.sum())} such rows). Join files of one approach with different rows; average several models "
        "first."
    )
