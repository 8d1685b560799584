"""The solution side of the metric: a ``train.csv``, or the metric's own long table with one-hot columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.metric.tables import as_ids, as_numbers, as_text, refuse, refuse_duplicates, require_columns
from bench.metric.terms import class_weights
from bench.targets import MISSING, PROBABILITY_COLUMNS, SEVERITIES, TARGET_INDEX, TARGET_NAMES

if TYPE_CHECKING:
    import pandas as pd

_STUDY_ID = r"[0-9]{1,18}"  # fits into 64 bits


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """The labels that a submission is compared with.

    Attributes:
        study_ids: (N,) studies in the order of the table.
        grades: (N, 25) 0, 1, 2, or -1 where there is no label.
        weights: (N, 25) sample weights, 0 where there is no label.
        expected: (N, 25) whether a submission must have this row; unlabelled rows of a ``train.csv`` too, as in the
            competition.
    """

    study_ids: NDArray[np.int64]
    grades: NDArray[np.int8]
    weights: NDArray[np.float64]
    expected: NDArray[np.bool_]


def parse_solution(table: pd.DataFrame, source: str) -> Solution:
    """Check and read a solution in either format; ``source`` is its name in error messages.

    Raises:
        DataError: wrong columns, a study or row twice, a severity that is none of the three, labels that are not
            one-hot, weights that are negative, no number or all 0, or no label at all.
    """
    if table.index.name == "study_id" and "study_id" not in table.columns:
        table = table.reset_index()
    if "row_id" in table.columns:
        solution = _parse_long(table, source)
    elif "study_id" in table.columns:
        solution = _parse_wide(table, source)
    else:
        there = ", ".join(map(str, table.columns[:8]))
        raise DataError(
            f"{source}: neither a study_id nor a row_id column; the columns are: {there}. "
            "Give a train.csv, or a table with row_id, normal_mild, moderate, severe and sample_weight."
        )
    if not (solution.grades >= 0).any():
        raise DataError(f"{source}: no row has a label, so nothing can be scored. Give a table with labels.")
    if not solution.weights.any():
        raise DataError(f"{source}: sample_weight is 0 in every labelled row. Give some of them a weight above 0.")
    return solution


def _parse_wide(table: pd.DataFrame, source: str) -> Solution:
    require_columns(source, table, TARGET_NAMES, "Give all 25 target columns, as the competition's train.csv has them.")
    names = as_ids(as_text(table["study_id"]))
    refuse(source, ~names.str.fullmatch(_STUDY_ID).to_numpy(bool), names, "study_id is not a number", "Correct it.")
    refuse_duplicates(source, names)
    study_ids = names.astype(np.int64)

    codes = {severity: grade for grade, severity in enumerate(SEVERITIES)} | {"": MISSING}
    words = table[list(TARGET_NAMES)].apply(as_text)
    coded = words.apply(lambda column: column.map(codes))
    bad = coded.isna().to_numpy()
    if bad.any():
        row, column = np.unravel_index(int(np.argmax(bad)), bad.shape)
        first = f"{study_ids.iloc[int(row)]}_{TARGET_NAMES[int(column)]}"
        raise DataError(
            f"{source}: {words.iat[int(row), int(column)]!r} is no severity (first: {first!r}; {int(bad.sum())} such "
            f"cells). Allowed are {', '.join(SEVERITIES)}, or an empty cell where there is no label."
        )
    grades = coded.to_numpy(dtype=np.int8)
    return Solution(
        np.asarray(study_ids, dtype=np.int64), grades, class_weights(grades), np.ones(grades.shape, dtype=bool)
    )


def _parse_long(table: pd.DataFrame, source: str) -> Solution:
    cure = "If this is a submission, name the solution first: bench score SOLUTION.csv SUBMISSION.csv."
    require_columns(source, table, (*PROBABILITY_COLUMNS, "sample_weight"), cure)
    names = as_ids(as_text(table["row_id"])).rename("row_id")
    refuse_duplicates(source, names)
    study, column = _locate(names, source)
    study_ids, row = np.unique(study, return_inverse=True)

    labels = np.column_stack([as_numbers(table[name]) for name in PROBABILITY_COLUMNS])  # (rows, 3)
    empty = (table[list(PROBABILITY_COLUMNS)].apply(as_text) == "").to_numpy()
    unlabelled = empty.all(axis=1) | (labels == 0).all(axis=1)
    one_hot = np.isin(labels, (0, 1)).all(axis=1) & (labels.sum(axis=1) == 1)
    refuse(
        source,
        ~(one_hot | unlabelled),
        names,
        "labels are not one-hot",
        "Put 1 in one column and 0 in the others.",
    )
    weight = as_numbers(table["sample_weight"])
    refuse(
        source,
        ~unlabelled & ~(np.isfinite(weight) & (weight >= 0)),
        names,
        "sample_weight is not a number of at least 0",
        "The competition has 1, 2, 4 for normal/mild, moderate, severe.",
    )
    shape = (len(study_ids), len(TARGET_NAMES))
    grades, weights, expected = np.full(shape, MISSING, np.int8), np.zeros(shape), np.zeros(shape, dtype=bool)
    grades[row, column] = np.where(unlabelled, MISSING, np.nan_to_num(labels).argmax(axis=1))
    weights[row, column] = np.where(unlabelled, 0.0, weight)
    expected[row, column] = True
    return Solution(study_ids, grades, weights, expected)


def _locate(names: pd.Series, source: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The study id (rows,) and the target's index (rows,) of each row_id."""
    split = names.str.extract(rf"^({_STUDY_ID})_(.+)$")
    target = split[1].map(TARGET_INDEX)
    cure = f"It must be the study's number, an underscore and one of the 25 target names, such as 7_{TARGET_NAMES[0]}."
    refuse(source, target.isna().to_numpy(), names, "row_id names no target", cure)
    return np.asarray(split[0], dtype=np.int64), np.asarray(target, dtype=np.int64)
