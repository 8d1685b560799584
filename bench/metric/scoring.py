"""The metric of a submission table against a solution table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.metric.solution import Solution, parse_solution
from bench.metric.submission import align
from bench.metric.tables import read_csv
from bench.metric.terms import EPS, PARTS, reduce, reduce_parts, study_terms
from bench.targets import CONDITIONS, TARGETS

if TYPE_CHECKING:
    import pandas as pd


Fill = Callable[[Solution], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Score:
    """The weighted log loss and its parts; lower is better.

    Attributes:
        score: the mean of the parts.
        parts: loss by the names of `bench.metric.PARTS`; NaN for one that no study has a label for, which then is
            left out of the mean.
        counts: labelled rows by condition, and studies for ``any_severe_spinal``.
        clipped: cells of scored rows that lay outside [eps, 1 - eps].
        rows: number of scored rows.
        filled: rows of the solution that the submission lacked and that were filled.
        filled_labelled: those of them that are scored.
    """

    score: float
    parts: Mapping[str, float]
    counts: Mapping[str, int]
    clipped: int
    rows: int
    filled: int = 0
    filled_labelled: int = 0


def score(
    solution: pd.DataFrame,
    submission: pd.DataFrame,
    *,
    strict: bool = False,
    eps: float = EPS,
    any_severe_weight: float = 1.0,
    names: tuple[str, str] = ("solution", "submission"),
    fill: Fill | None = None,
) -> Score:
    """The competition's weighted log loss, the tables joined on row_id.

    Args:
        solution: a ``train.csv`` (study_id and 25 columns of severities; other columns are ignored), or the metric's
            long format (row_id, one-hot normal_mild, moderate, severe, and sample_weight). Rows without a label are
            not scored.
        submission: ``row_id, normal_mild, moderate, severe``, one row for each of the solution's.
        strict: refuse rows whose sum is more than 0.001 away from 1, instead of normalising it.
        eps: probabilities are clipped to [eps, 1 - eps].
        any_severe_weight: weight of the any-severe part in the mean; the competition has 1.
        names: of the two tables in error messages.
        fill: what stands for rows that the submission lacks: (N, 25, 3) probabilities for the solution's studies.
            Without it, a missing row is an error.

    Raises:
        DataError: a table has the wrong format; the message names the first bad row and the cure.
    """
    truth = parse_solution(solution, names[0])
    probabilities = align(submission, truth, names[1], strict=strict, may_lack_rows=fill is not None)
    absent = truth.expected & np.isnan(probabilities[..., 0])  # (N, 25)
    if fill is not None and absent.any():
        probabilities[absent] = fill(truth)[absent]
    terms = study_terms(truth.grades, probabilities, weights=truth.weights, eps=eps)
    parts = reduce_parts(terms)
    scored = probabilities[truth.grades >= 0]  # (rows, 3)
    return Score(
        score=float(reduce(terms, any_severe_weight=any_severe_weight)),
        parts=dict(zip(PARTS, parts.tolist(), strict=True)),
        counts=_counts(truth),
        clipped=int(((scored < eps) | (scored > 1 - eps)).sum()),
        rows=len(scored),
        filled=int(absent.sum()),
        filled_labelled=int((absent & (truth.grades >= 0)).sum()),
    )


def score_files(solution: Path, submission: Path, *, strict: bool = False, fill: Fill | None = None) -> Score:
    """`score` of two CSV files."""
    names = (str(solution), str(submission))
    return score(read_csv(solution), read_csv(submission), strict=strict, names=names, fill=fill)


def _counts(truth: Solution) -> dict[str, int]:
    labelled = truth.grades >= 0
    condition = np.array([target.condition for target in TARGETS])
    counts = {name: int(labelled[:, condition == name].sum()) for name in CONDITIONS}
    return counts | {"any_severe_spinal": int(labelled[:, condition == "spinal"].any(axis=1).sum())}
