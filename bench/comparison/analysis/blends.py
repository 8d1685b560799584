"""Approaches together: blends with equal and with fitted weights, and what each approach adds to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from bench.comparison.analysis.predicted import Mask, Predicted, PredictedApproach, normalised, terms_of
from bench.comparison.influence import Influence, score_influence
from bench.comparison.pooled import Split
from bench.comparison.statistics import Estimated, PairedDifference, estimated, paired_difference
from bench.metric import reduce, study_terms
from bench.metric.terms import FloatArray


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one approach adds to the equal-weight blend.

    Attributes:
        label: the approach.
        paired: the score of the blend without it minus that of the whole blend: above 0 it helps; p is unadjusted.
        weight: its fitted weight, mean over folds; None where nothing was fitted.
    """

    label: str
    paired: PairedDifference
    weight: float | None


@dataclass(frozen=True, slots=True)
class Blends:
    """The approaches of the main comparison, blended.

    Attributes:
        labels: them.
        studies: how many studies all of them have graded.
        equal: the score of the mean prediction.
        best: the label of the best single one.
        versus_best: the equal blend's score minus the best single one's.
        fitted: the score with weights fitted on the other folds; None for a single fold.
        versus_equal: the fitted blend's score minus the equal one's; None likewise.
        contributions: leave-one-out.
    """

    labels: tuple[str, ...]
    studies: int
    equal: Estimated
    best: str
    versus_best: PairedDifference
    fitted: Estimated | None
    versus_equal: PairedDifference | None
    contributions: tuple[Contribution, ...]


def blends(predicted: Predicted) -> Blends | None:
    """None for fewer than two approaches of one main comparison. Seeds are paired by order; spare ones are left out."""
    rivals = predicted.rivals
    if len(rivals) < 2:
        return None
    split = predicted.split
    studies = np.logical_and.reduce([each.held_out for each in rivals])
    seeds = min(len(each.probabilities) for each in rivals)
    said = np.stack([each.probabilities[:seeds] for each in rivals])  # (A, S, N, 25, 3)
    equal = _score(said.mean(axis=0), split, studies)
    best = min(rivals, key=lambda each: each.score(studies).value)
    folds = np.unique(split.fold[studies])
    fitted = weights = None
    if len(folds) > 1:
        mixed, weights = blended_out_of_fold(said, split, studies)
        fitted = _score(mixed, split, studies)
    return Blends(
        labels=tuple(each.label for each in rivals),
        studies=int(studies.sum()),
        equal=estimated(equal),
        best=best.label,
        versus_best=_same_seeds(equal, best.score(studies)),
        fitted=None if fitted is None else estimated(fitted),
        versus_equal=None if fitted is None else _same_seeds(fitted, equal),
        contributions=_contributions(rivals, said, equal, weights, split, studies),
    )


def _contributions(
    rivals: Sequence[PredictedApproach],
    said: FloatArray,
    equal: Influence,
    weights: FloatArray | None,
    split: Split,
    studies: Mask,
) -> tuple[Contribution, ...]:
    found = []
    for place, each in enumerate(rivals):
        without = _score(np.delete(said, place, axis=0).mean(axis=0), split, studies)
        weight = None if weights is None else float(weights[place])
        found.append(Contribution(each.label, _same_seeds(without, equal), weight))
    return tuple(found)


def _score(said: FloatArray, split: Split, studies: Mask) -> Influence:
    """The score of predictions (S, N, 25, 3) on some studies."""
    filled = np.where(studies[:, None, None], said, 1 / 3)
    return score_influence([terms_of(split, each)[studies] for each in filled], split.fold[studies])


def _same_seeds(first: Influence, second: Influence) -> PairedDifference:
    """A paired difference. Seed variances are added as if independent, which is cautious: the two share trainings."""
    return paired_difference(first, second)


def blended_out_of_fold(said: FloatArray, split: Split, studies: Mask) -> tuple[FloatArray, FloatArray]:
    """(S, N, 25, 3) blends with weights fitted on the other folds, and the mean weights (A,)."""
    mixed = said.mean(axis=0)
    every = []
    for fold in np.unique(split.fold[studies]):
        inside, others = studies & (split.fold == fold), studies & (split.fold != fold)
        weights = fit_weights(said.mean(axis=1)[:, others], split, others)
        mixed[:, inside] = np.tensordot(weights, said[:, :, inside], axes=1)
        every.append(weights)
    return normalised(mixed), np.mean(every, axis=0)


def fit_weights(said: FloatArray, split: Split, studies: Mask) -> FloatArray:
    """(A,) weights, none negative and summing to 1, with the lowest score of the blend on some studies.

    Args:
        said: (A, n, 25, 3) predictions for these studies.
        split: labels of all N studies.
        studies: (N,) which n they are.
    """
    grades = split.grades[studies]

    def loss(free: FloatArray) -> float:
        shares = np.exp(free - free.max())
        return float(reduce(study_terms(grades, np.tensordot(shares / shares.sum(), said, axes=1))))

    start = np.zeros(len(said))
    found = minimize(loss, start, method="L-BFGS-B", options={"maxiter": 30, "ftol": 1e-7}).x
    shares = np.exp(found - found.max())
    return np.asarray(shares / shares.sum())
