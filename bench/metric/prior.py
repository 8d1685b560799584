"""References of a score: the class prior (no images), and the skill between class prior and noise floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.targets import CLASS_WEIGHTS, TARGETS

if TYPE_CHECKING:  # no code of the metric: changing how a prediction is scored retrains nothing
    from bench.metric.terms import FloatArray


def prior_probabilities(train_grades: NDArray[np.int8]) -> FloatArray:
    """The class prior (25, 3), the reference of every report.

    Per condition and level, with sides pooled: class counts + 1, times the class weights 1, 2, 4, normalised. The
    weights make it the best constant prediction under the weighted loss. The + 1 keeps the loss finite for a class
    that is absent from a small training set.

    Args:
        train_grades: (M, 25) grades of the training studies, -1 where there is no label.
    """
    counts = np.stack([(train_grades == grade).sum(axis=0) for grade in range(3)], axis=-1)  # (25, 3)
    key = [(target.condition, target.level) for target in TARGETS]
    pooled = np.array([[own == other for other in key] for own in key])  # (25, 25)
    weighted = (pooled @ counts + 1) * np.array(CLASS_WEIGHTS)
    return np.asarray(weighted / weighted.sum(axis=1, keepdims=True))


def out_of_fold_prior(grades: NDArray[np.int8], fold: NDArray[np.int64]) -> FloatArray:
    """(N, 25, 3) the class prior, each study's taken from the labels of the other folds.

    Args:
        grades: (N, 25) grades, -1 where there is no label.
        fold: (N,) the fold of each study.
    """
    probabilities = np.empty((*grades.shape, 3))
    for one in np.unique(fold):
        held_out = fold == one
        probabilities[held_out] = prior_probabilities(grades[~held_out])
    return probabilities


def skill(score: float, prior: float, floor: float) -> float:
    """(prior - score) / (prior - floor): 0 at the class prior, 1 at the noise floor; NaN where the two are equal."""
    return (prior - score) / (prior - floor) if prior != floor else float("nan")
