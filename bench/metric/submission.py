"""The submission side of the metric: checked cell by cell, and joined to the solution on row_id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.metric.solution import Solution
from bench.metric.tables import (
    SUBMISSION_FORMAT,
    as_ids,
    as_numbers,
    as_text,
    refuse,
    refuse_duplicates,
    require_columns,
)
from bench.targets import PROBABILITY_COLUMNS, TARGET_NAMES

if TYPE_CHECKING:
    import pandas as pd

# How far a row's sum may lie from 1 under `strict`.
TOLERANCE = 1e-3


def align(
    table: pd.DataFrame,
    solution: Solution,
    source: str,
    *,
    strict: bool = False,
    may_lack_rows: bool = False,
    cure_sums: str = "Divide each row by its sum, or omit --strict.",
) -> NDArray[np.float64]:
    """(N, 25, 3) probabilities as submitted, in the solution's order; NaN where solution or submission has no row.

    Args:
        table: the submission.
        solution: what it is joined to.
        source: the submission's name in error messages.
        strict: refuse rows whose sum is more than 0.001 away from 1.
        may_lack_rows: whether rows of the solution may be missing.
        cure_sums: what helps against such sums.

    Raises:
        DataError: wrong columns; an additional or duplicate row; a missing one unless `may_lack_rows`; a cell that is
            empty, not a number, infinite or negative; under ``strict`` also a row with a wrong sum.
    """
    cure = f"The header must be {SUBMISSION_FORMAT}."
    require_columns(source, table, ("row_id", *PROBABILITY_COLUMNS), cure)
    extra = [column for column in table.columns if column not in ("row_id", *PROBABILITY_COLUMNS)]
    if extra:
        raise DataError(f"{source}: column {extra[0]!r} is not expected ({len(extra)} such). {cure}")
    names = as_ids(as_text(table["row_id"])).rename("row_id")
    refuse_duplicates(source, names)
    position = _positions(names, solution, source, may_lack_rows=may_lack_rows)
    values = _values(table, names, source)
    if strict:
        _require_sums(values, names, source, cure_sums)
    aligned = np.full((solution.expected.size, len(PROBABILITY_COLUMNS)), np.nan)
    aligned[position] = values
    return aligned.reshape(*solution.expected.shape, len(PROBABILITY_COLUMNS))


def _positions(names: pd.Series, solution: Solution, source: str, *, may_lack_rows: bool) -> NDArray[np.int64]:
    """(rows,) position of each submitted row in the solution's flattened (N, 25)."""
    import pandas as pd

    wanted = np.flatnonzero(solution.expected)
    studies, columns = np.divmod(wanted, len(TARGET_NAMES))
    ids = solution.study_ids[studies]
    expected = pd.Series([f"{study}_{TARGET_NAMES[column]}" for study, column in zip(ids, columns, strict=True)])
    found = pd.Index(expected).get_indexer(pd.Index(names))
    refuse(
        source,
        found < 0,
        names,
        "row that is not in the solution",
        "Remove it, or pass the matching solution (in which rows without a label have empty cells).",
    )
    missing = np.ones(len(expected), dtype=bool)
    missing[found] = False
    if not may_lack_rows:
        cure = "Predict every row of the solution, unlabelled ones too, or pass --missing prior."
        refuse(source, missing, expected, "missing row", cure)
    return wanted[found]


def _values(table: pd.DataFrame, names: pd.Series, source: str) -> NDArray[np.float64]:
    """(rows, 3) numbers, each finite and not negative."""
    texts = table[list(PROBABILITY_COLUMNS)].apply(as_text)
    values = np.column_stack([as_numbers(table[column]) for column in PROBABILITY_COLUMNS])
    empty = texts.apply(lambda column: column.str.lower().isin(("", "nan", "na", "none", "null"))).to_numpy()
    cure, cells = "Every row needs three finite numbers of at least 0.", texts.to_numpy()
    refuse(source, empty.any(axis=1), names, "empty cell or NaN", cure, cells=cells)
    refuse(source, np.isnan(values).any(axis=1), names, "cell that is not a number", cure, cells=cells)
    refuse(source, np.isinf(values).any(axis=1), names, "infinite value", cure, cells=cells)
    logits = "If these are logits or log probabilities, apply softmax to each row first."
    refuse(source, (values < 0).any(axis=1), names, "negative value", f"{cure} {logits}", cells=cells)
    return values


def _require_sums(values: NDArray[np.float64], names: pd.Series, source: str, cure: str) -> None:
    """Refuse rows (rows, 3) that do not sum to 1; percentages and what may be logits are called by their name."""
    sums = values.sum(axis=1)
    away = np.abs(sums - 1) > TOLERANCE
    if not away.any():
        return
    if (np.abs(sums - 100) < 1).mean() > 0.5:
        cure = "These look like percentages: divide all values by 100."
    elif (values > 1).any():
        cure = f"If these are logits, apply softmax to each row. Otherwise: {cure[0].lower()}{cure[1:]}"
    what = f"probabilities do not sum to 1 (within {TOLERANCE}), but to {sums[np.argmax(away)]:.6g}"
    refuse(source, away, names, what, cure, cells=values.astype(object))
