"""ROC of severe against the rest, by condition, with an interval that knows that a study's rows depend on each other.

Source of the variance: Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data", Biometrics 53.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from bench.comparison.analysis.predicted import CONDITION_OF, Predicted
from bench.metric.terms import FloatArray
from bench.targets import CONDITIONS

_POINTS = 120  # of a drawn curve


@dataclass(frozen=True, slots=True)
class RocCurve:
    """One approach and condition.

    Attributes:
        label: the approach.
        condition: one of `bench.targets.CONDITIONS`.
        severe, rest: how many rows there are of each.
        area: under the curve; with several seeds of their mean prediction. NaN without rows of both kinds.
        interval: its 95 % interval over studies; NaN where fewer than two studies have rows of one kind.
        false_positives, true_positives: rates along the curve, from 0 to 1.
    """

    label: str
    condition: str
    severe: int
    rest: int
    area: float
    interval: tuple[float, float]
    false_positives: tuple[float, ...]
    true_positives: tuple[float, ...]


def roc_curves(predicted: Predicted) -> tuple[RocCurve, ...]:
    """Of every approach and condition."""
    found = []
    for each in predicted.approaches:
        grades = predicted.split.grades[each.held_out]
        studies = np.broadcast_to(np.arange(len(grades))[:, None], grades.shape)
        said = each.mean[each.held_out][..., 2]
        for number, condition in enumerate(CONDITIONS):
            rows = (grades >= 0) & (number == CONDITION_OF)
            found.append(_curve(each.label, condition, said[rows], grades[rows] == 2, studies[rows]))
    return tuple(found)


def _curve(
    label: str, condition: str, said: FloatArray, severe: NDArray[np.bool_], studies: NDArray[np.int64]
) -> RocCurve:
    positives, negatives = int(severe.sum()), int((~severe).sum())
    if not positives or not negatives:
        return RocCurve(label, condition, positives, negatives, nan, (nan, nan), (), ())
    area, error = clustered_area(said, severe, studies)
    half = float(norm.ppf(0.975)) * error
    interval = (nan, nan) if isnan(error) else (max(0.0, area - half), min(1.0, area + half))
    falls, rises = _points(said, severe)
    return RocCurve(label, condition, positives, negatives, area, interval, falls, rises)


def clustered_area(said: FloatArray, severe: NDArray[np.bool_], studies: NDArray[np.int64]) -> tuple[float, float]:
    """The area under the curve and its standard error, rows of a study being one cluster.

    Args:
        said: (R,) predicted probabilities of severe.
        severe: (R,) the truth; both kinds must occur.
        studies: (R,) the study of each row, 0 to N - 1.
    """
    m, n = int(severe.sum()), int((~severe).sum())
    ranks = rankdata(said)
    placed = np.empty(len(said))  # share of the other kind that a row is placed rightly against
    placed[severe] = (ranks[severe] - rankdata(said[severe])) / n
    placed[~severe] = 1 - (ranks[~severe] - rankdata(said[~severe])) / m
    area = float(placed[severe].mean())
    count = int(studies.max()) + 1
    deviation = placed - area
    of_severe = np.bincount(studies[severe], deviation[severe], minlength=count)
    of_rest = np.bincount(studies[~severe], deviation[~severe], minlength=count)
    clusters = len(np.unique(studies)), len(np.unique(studies[severe])), len(np.unique(studies[~severe]))
    scale = [number / (number - 1) if number > 1 else nan for number in clusters]
    variance = (
        scale[1] * float(of_severe @ of_severe) / m**2
        + scale[2] * float(of_rest @ of_rest) / n**2
        + 2 * scale[0] * float(of_severe @ of_rest) / (m * n)
    )
    return area, nan if isnan(variance) else sqrt(max(0.0, variance))


def _points(said: FloatArray, severe: NDArray[np.bool_]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The curve at its thresholds, thinned evenly along its length."""
    order = np.argsort(-said, kind="stable")
    last = np.append(np.diff(said[order]) != 0, True)  # rows of equal probability are passed together
    rises = np.append(0, np.cumsum(severe[order])[last] / severe.sum())
    falls = np.append(0, np.cumsum(~severe[order])[last] / (~severe).sum())
    if len(rises) > _POINTS:
        length = rises + falls
        keep = np.unique(np.searchsorted(length, np.linspace(0, length[-1], _POINTS)).clip(0, len(length) - 1))
        rises, falls = rises[keep], falls[keep]
    return tuple(np.round(falls, 4).tolist()), tuple(np.round(rises, 4).tolist())
