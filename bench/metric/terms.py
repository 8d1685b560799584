"""The metric as sums over studies, so that resampling studies is one matrix product and no second pass over rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import DataError
from bench.targets import CLASS_WEIGHTS, CONDITIONS, TARGETS

FloatArray = NDArray[np.float64]

PARTS = (*CONDITIONS, "any_severe_spinal")
# Probabilities below this, or above 1 - this, are clipped: what scikit-learn does for float64 predictions.
EPS = float(np.finfo(np.float64).eps)

_SEVERE = 2
_CONDITION = np.array([CONDITIONS.index(target.condition) for target in TARGETS])  # (25,)
_SPINAL = np.array([target.condition == "spinal" for target in TARGETS])  # (25,)


@dataclass(frozen=True, slots=True, eq=False)
class StudyTerms:
    """Each study's contribution to the weighted loss of each part, in the order of `PARTS`.

    Attributes:
        numerators: (N, 4) sums of weight times loss over the study's labelled rows.
        denominators: (N, 4) sums of weights; 0 where the study has no label for a part.
    """

    numerators: FloatArray
    denominators: FloatArray

    def __len__(self) -> int:
        return len(self.numerators)

    def __getitem__(self, studies: ArrayLike) -> StudyTerms:
        """The terms of some studies, by index or boolean mask."""
        chosen = np.asarray(studies)
        return StudyTerms(self.numerators[chosen], self.denominators[chosen])


def class_weights(grades: NDArray[np.int8]) -> FloatArray:
    """The competition's sample weights 1, 2, 4 of grades 0, 1, 2, and 0 for a missing one; same shape."""
    return np.array([*CLASS_WEIGHTS, 0.0])[grades]  # -1 takes the last


def study_terms(
    grades: NDArray[np.int8],
    probabilities: FloatArray,
    *,
    weights: FloatArray | None = None,
    eps: float = EPS,
) -> StudyTerms:
    """The contribution of each study to the metric.

    Rows are clipped to [eps, 1 - eps] and then divided by their sum; the any-severe term takes the severe
    probabilities as submitted, clipped but not normalised.

    Args:
        grades: (N, 25) grades 0, 1, 2 in the order of `bench.targets.TARGETS`, -1 where there is no label: such rows
            are not scored, not even in the any-severe term.
        probabilities: (N, 25, 3) as submitted; anything, even NaN, where there is no label.
        weights: (N, 25) sample weights; by default 1, 2, 4 by grade.
        eps: see `EPS`.

    Raises:
        DataError: a labelled row's probabilities are not finite or are negative.
    """
    grades = np.asarray(grades)
    labelled = grades >= 0
    submitted = np.where(labelled[..., None], np.asarray(probabilities, dtype=np.float64), 1 / 3)
    if not (np.isfinite(submitted).all() and (submitted >= 0).all()):
        raise DataError("probabilities of labelled rows must be finite and not negative; check the approach.")
    weight = np.where(labelled, class_weights(grades) if weights is None else weights, 0.0)  # (N, 25)

    clipped = np.clip(submitted, eps, 1 - eps)
    of_true_class = np.take_along_axis(clipped, np.maximum(grades, 0).astype(np.intp)[..., None], axis=-1)[..., 0]
    loss = -np.log(of_true_class / clipped.sum(axis=-1))  # (N, 25)
    pooled = np.eye(len(CONDITIONS))[_CONDITION]  # (25, 3): sides and levels of a condition are pooled

    any_weight = weight[:, _SPINAL].max(axis=1)
    any_loss = _any_severe_loss(grades[:, _SPINAL], clipped[:, _SPINAL, _SEVERE])
    return StudyTerms(
        np.column_stack([(weight * loss) @ pooled, any_weight * any_loss]),
        np.column_stack([weight @ pooled, any_weight]),
    )


def _any_severe_loss(grades: NDArray[np.int8], severe: FloatArray) -> FloatArray:
    """(N,) binary log loss of "any spinal level is severe", from (N, 5) grades and clipped severe probabilities."""
    truth = (grades == _SEVERE).any(axis=1)
    predicted = np.where(grades >= 0, severe, 0.0).max(axis=1)
    predicted = np.where((grades >= 0).any(axis=1), predicted, 0.5)  # weight 0, but must not be log(0)
    return -np.log(np.where(truth, predicted, 1 - predicted))


def reduce_parts(terms: StudyTerms, weights: FloatArray | None = None) -> FloatArray:
    """The four parts (4,), or (R, 4) for resampling multiplicities (R, N); NaN where no study has a label for one."""
    if weights is None:
        weights = np.ones(len(terms))
    with np.errstate(invalid="ignore"):
        return np.asarray((weights @ terms.numerators) / (weights @ terms.denominators))


def reduce(terms: StudyTerms, weights: FloatArray | None = None, *, any_severe_weight: float = 1.0) -> FloatArray:
    """The score (), or (R,) scores for resampling multiplicities ``weights`` (R, N) of the N studies.

    It is the weighted mean of the four parts, `any_severe_weight` being the weight of the last. A part that no study
    has a label for is left out of the mean (the competition's metric fails there); with no label at all it is NaN.
    """
    parts = reduce_parts(terms, weights)
    part_weights = np.where(np.isnan(parts), 0.0, np.array([1.0, 1.0, 1.0, any_severe_weight]))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nansum(parts * part_weights, axis=-1) / part_weights.sum(axis=-1))
