"""Reliability of the severe probability under the weights 1, 2, 4, and what a calibrated model would show at this n.

A model trained for the weighted loss predicts p = w q / sum(w q), so its severe probability is right if it equals the
*weighted* share of severe labels. Even a perfectly calibrated model shows an error, since the labels are few: the band
is the error of labels drawn from the model's own q.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from bench.comparison.analysis.predicted import CONDITION_OF, Predicted, unweighted
from bench.metric.terms import FloatArray, class_weights
from bench.targets import CONDITIONS

BINS = 10
DRAWS = 500


@dataclass(frozen=True, slots=True)
class Reliability:
    """One approach and condition.

    Attributes:
        label: the approach.
        condition: one of `bench.targets.CONDITIONS`.
        rows: how many labels.
        severe: how many of them are severe.
        error: expected calibration error, the weighted mean over bins of |predicted - observed|.
        calibrated: mean error of a perfectly calibrated model at this n.
        calibrated_95: 95th percentile of that error.
        predicted, observed, weight: by filled bin: mean severe probability, share of severe labels, share of weight.
        low, high: by filled bin: 2.5th and 97.5th percentile of `observed` if the model were calibrated.
    """

    label: str
    condition: str
    rows: int
    severe: int
    error: float
    calibrated: float
    calibrated_95: float
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    weight: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def exceeds(self) -> bool:
        """Whether the error is larger than that of 95 % of perfectly calibrated models."""
        return self.error > self.calibrated_95


def reliabilities(predicted: Predicted) -> tuple[Reliability, ...]:
    """Of every approach and condition; with several seeds of their mean prediction."""
    found = []
    for each in predicted.approaches:
        grades, said = predicted.split.grades[each.held_out], each.mean[each.held_out]
        for number, condition in enumerate(CONDITIONS):
            rows = (grades >= 0) & (number == CONDITION_OF)
            found.append(reliability(each.label, condition, said[rows], grades[rows]))
    return tuple(found)


def reliability(label: str, condition: str, said: FloatArray, grades: NDArray[np.int8]) -> Reliability:
    """The calibration of some rows.

    Args:
        label, condition: what they are of; the drawn labels depend on the condition and the rows alone.
        said: (R, 3) predictions made for the weights 1, 2, 4.
        grades: (R,) labels 0, 1, 2.
    """
    if not len(grades):
        return Reliability(label, condition, 0, 0, nan, nan, nan, (), (), (), (), ())
    bins = _bins(said[:, 2])
    weight, confident, observed = _binned(said[:, 2], grades[None], bins)
    error = _error(weight, confident, observed)[0]
    drawn = _drawn(said, condition)
    drawn_weight, drawn_confident, drawn_observed = _binned(said[:, 2], drawn, bins)
    errors = _error(drawn_weight, drawn_confident, drawn_observed)
    filled = weight[0] > 0
    low, high = np.percentile(drawn_observed[:, filled], [2.5, 97.5], axis=0)
    return Reliability(
        label,
        condition,
        len(grades),
        int((grades == 2).sum()),
        float(error),
        float(errors.mean()),
        float(np.percentile(errors, 95)),
        _rounded(confident[0, filled]),
        _rounded(observed[0, filled]),
        _rounded(weight[0, filled] / weight[0].sum()),
        _rounded(low),
        _rounded(high),
    )


def _bins(severe: FloatArray) -> NDArray[np.int64]:
    """(R,) the bin of each row: equally wide ones from 0 to 1."""
    return np.minimum((severe * BINS).astype(np.int64), BINS - 1)


def _drawn(said: FloatArray, condition: str) -> NDArray[np.int8]:
    """(DRAWS, R) labels drawn from the model's own class probabilities."""
    ends = unweighted(said).cumsum(axis=-1)[:, :2]
    digest = hashlib.sha256(condition.encode() + np.round(said, 9).tobytes()).digest()
    random = np.random.default_rng(np.frombuffer(digest, dtype=np.uint32).tolist())
    uniform = random.random((DRAWS, len(said)), dtype=np.float32)
    return ((uniform > ends[:, 0]).astype(np.int8) + (uniform > ends[:, 1])).astype(np.int8)


def _binned(
    severe: FloatArray, grades: NDArray[np.int8], bins: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(D, BINS) weight, weighted mean prediction and weighted share of severe labels, 0 for empty bins."""
    weights = class_weights(grades)  # (D, R)
    member = np.eye(BINS)[bins]  # (R, BINS)
    weight = weights @ member
    with np.errstate(invalid="ignore"):
        confident = np.nan_to_num((weights * severe) @ member / weight)
        observed = np.nan_to_num((weights * (grades == 2)) @ member / weight)
    return weight, confident, observed


def _error(weight: FloatArray, confident: FloatArray, observed: FloatArray) -> FloatArray:
    return np.asarray((weight * np.abs(confident - observed)).sum(axis=1) / weight.sum(axis=1))


def _rounded(values: FloatArray) -> tuple[float, ...]:
    return tuple(np.round(values, 4).tolist())
