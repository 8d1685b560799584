"""What the analyses read: labels and out-of-fold predictions of every approach of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.comparison.families import PRIOR
from bench.comparison.influence import Influence, score_influence
from bench.comparison.pooled import Pooled, Split, out_of_fold_prior, pool, read_split
from bench.comparison.results import ApproachResult, Comparison
from bench.metric import EPS, StudyTerms, study_terms
from bench.metric.terms import FloatArray
from bench.targets import CONDITIONS, TARGETS

Mask = NDArray[np.bool_]
CONDITION_OF = np.array([CONDITIONS.index(target.condition) for target in TARGETS])  # (25,)


@dataclass(frozen=True, eq=False)
class PredictedApproach:
    """One approach's predictions.

    Attributes:
        result: its line of the comparison.
        pooled: its jobs put together.
        split: the studies.
    """

    result: ApproachResult
    pooled: Pooled
    split: Split

    @property
    def label(self) -> str:
        """Its name in tables."""
        return self.result.label

    @property
    def held_out(self) -> Mask:
        """(N,) the studies that it has predicted."""
        return self.pooled.held_out

    @cached_property
    def probabilities(self) -> FloatArray:
        """(S, N, 25, 3) by seed, rows summing to 1; NaN for studies that are not predicted."""
        return np.stack([normalised(each) for each in self.pooled.probabilities.values()])

    @cached_property
    def mean(self) -> FloatArray:
        """(N, 25, 3) the mean over seeds."""
        return np.asarray(self.probabilities.mean(axis=0))

    @cached_property
    def losses(self) -> FloatArray:
        """(S, N, 25) log loss of each row, without its weight; 0 where there is no label or no prediction."""
        return np.stack([row_losses(self.split.grades, each) for each in self.probabilities])

    def score(self, studies: Mask) -> Influence:
        """The competition's score on some of its studies."""
        seeds = [terms[studies] for terms in self.pooled.terms.values()]
        return score_influence(seeds, self.split.fold[studies])

    def loss_of(self, targets: Mask, studies: Mask) -> Influence:
        """The weighted log loss of some targets (25,) on some studies, every row alike."""
        weights = np.where(targets, self.split.weights, 0.0)[studies]  # (n, 25)
        return ratio([each[studies] for each in self.losses], weights, self.split.fold[studies])


@dataclass(frozen=True, eq=False)
class Predicted:
    """Everything that analyses need.

    Attributes:
        comparison: what is analysed.
        split: the studies with labels and folds.
        approaches: in the order of the comparison.
        prior: (N, 25, 3) the class prior of the other folds.
    """

    comparison: Comparison
    split: Split
    approaches: tuple[PredictedApproach, ...]
    prior: FloatArray

    @property
    def trained(self) -> tuple[PredictedApproach, ...]:
        """The approaches without the class prior."""
        return tuple(each for each in self.approaches if each.result.approach != PRIOR)

    @property
    def rivals(self) -> tuple[PredictedApproach, ...]:
        """Those of the first main comparison; where nothing is compared, the best complete one, or the first of all."""
        mains = [family for family in self.comparison.families if family.kind == "main"]
        if mains:
            return tuple(each for each in self.approaches if each.label in mains[0].labels)
        complete = [each for each in self.trained if each.result.complete and each.result.ablation_of is None]
        return tuple(complete[:1]) or self.trained[:1]

    def named(self, label: str) -> PredictedApproach:
        """The approach of this label."""
        return next(each for each in self.approaches if each.label == label)


def predicted(comparison: Comparison) -> Predicted:
    """Read the predictions of a comparison. Raises DataError if a file is gone."""
    split = read_split(comparison.approaches[0].jobs[0].files.split)
    approaches = tuple(PredictedApproach(result, pool(result.jobs, split), split) for result in comparison.approaches)
    return Predicted(comparison, split, approaches, out_of_fold_prior(split))


def normalised(probabilities: FloatArray) -> FloatArray:
    """Rows clipped as the metric clips them and divided by their sum; NaN stays."""
    clipped = np.clip(probabilities, EPS, 1 - EPS)
    return np.asarray(clipped / clipped.sum(axis=-1, keepdims=True))


def unweighted(probabilities: FloatArray) -> FloatArray:
    """Class probabilities q: predictions made for the weights 1, 2, 4 with these divided out, normalised again."""
    return normalised(probabilities / np.array([1.0, 2.0, 4.0]))


def row_losses(grades: NDArray[np.int8], probabilities: FloatArray) -> FloatArray:
    """(N, 25) log loss of rows that sum to 1; 0 where there is no label or no prediction."""
    true = np.take_along_axis(probabilities, np.maximum(grades, 0).astype(np.intp)[..., None], axis=-1)[..., 0]
    return np.where((grades >= 0) & np.isfinite(true), -np.log(true), 0.0)


def ratio(
    seeds: Sequence[FloatArray], weights: FloatArray, folds: NDArray[np.int64], *, trained: bool = True
) -> Influence:
    """The weighted mean of per-row values and its influence by study; NaN without any weight.

    Args:
        seeds: (N, 25) values for each seed.
        weights: (N, 25).
        folds: (N,).
        trained: False for references without training seeds.
    """
    totals = weights.sum(axis=1)
    empty = np.zeros((len(totals), 3))
    denominators = np.column_stack([totals, empty])
    terms = [StudyTerms(np.column_stack([(values * weights).sum(axis=1), empty]), denominators) for values in seeds]
    return score_influence(terms, folds, trained=trained)


def terms_of(split: Split, probabilities: FloatArray) -> StudyTerms:
    """Terms (N,) of predictions of every study."""
    return study_terms(split.grades, probabilities)
