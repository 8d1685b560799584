"""How much each study moves a score, and how much each fold's training seeds do: what every interval is made of.

The score is the mean of four ratios of sums over studies. Its delta-method influence values make it a mean over
studies, so that scores, paired differences and skills all have a variance without resampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
from numpy.typing import NDArray

from bench.metric import StudyTerms, reduce
from bench.metric.prior import skill
from bench.metric.terms import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """A statistic of N studies and what it depends on.

    Attributes:
        value: the statistic, such as a score.
        by_study: (N,) influence values, summing to 0: by how much N times a study's share moves the value.
        seed_variances: (C,) for each fold and approach: the between-seed variance of the fold's contribution / S.
        seed_df: (C,) degrees of freedom of these, S - 1.
        interaction: the part of their sum that is due to the fold's finite studies (seeds x studies), which
            `by_study` counts already.
        one_seed: whether a trained approach in it has one seed, so that its seeds' share is unknown.
    """

    value: float
    by_study: FloatArray
    seed_variances: FloatArray
    seed_df: FloatArray
    interaction: float
    one_seed: bool

    def __len__(self) -> int:
        return len(self.by_study)

    def __sub__(self, other: Influence) -> Influence:
        """The paired difference of two statistics of the same studies; their seeds have nothing in common."""
        return Influence(
            self.value - other.value,
            self.by_study - other.by_study,
            np.concatenate([self.seed_variances, other.seed_variances]),
            np.concatenate([self.seed_df, other.seed_df]),
            self.interaction + other.interaction,
            self.one_seed or other.one_seed,
        )

    def times(self, factor: float) -> Influence:
        """The statistic times a constant."""
        return Influence(
            self.value * factor,
            self.by_study * factor,
            self.seed_variances * factor**2,
            self.seed_df,
            self.interaction * factor**2,
            self.one_seed,
        )


def mean_terms(seeds: Sequence[StudyTerms]) -> StudyTerms:
    """Terms (N,) whose score is the mean of the seeds' scores; all seeds share the weights, which come from labels."""
    return StudyTerms(np.mean([terms.numerators for terms in seeds], axis=0), seeds[0].denominators)


def score_influence(
    seeds: Sequence[StudyTerms], folds: NDArray[np.int64] | None = None, *, trained: bool = True
) -> Influence:
    """The mean score over seeds and its influence values.

    Args:
        seeds: terms (N,) of each seed's out-of-fold predictions, on the same studies.
        folds: (N,) the fold that holds each study out; seeds act per fold, since each fold is a training of its own.
            May be left out where there is one seed.
        trained: False for references without training seeds, the class prior and the noise floor.
    """
    mean = mean_terms(seeds)
    totals = mean.denominators.sum(axis=0)  # (4,)
    shares = _shares(totals)
    contributions = (mean.numerators - _losses(mean, totals) * mean.denominators) @ shares  # (N,)
    variances, interaction = np.empty(0), 0.0
    if len(seeds) > 1:
        if folds is None:
            raise ValueError(f"{len(seeds)} seeds need the folds of their studies: pass folds.")
        variances, interaction = _seed_variances(seeds, folds, shares)
    return Influence(
        value=float(reduce(mean)),
        by_study=len(mean) * contributions,
        seed_variances=variances,
        seed_df=np.full(len(variances), len(seeds) - 1.0),
        interaction=interaction,
        one_seed=trained and len(seeds) == 1,
    )


def skill_influence(score: Influence, prior: Influence, floor: Influence) -> Influence:
    """Skill, (prior - score) / (prior - floor), as a ratio of two paired differences; NaN where these are equal."""
    value = skill(score.value, prior.value, floor.value)
    possible = prior - floor
    scale = 1 / possible.value if possible.value else nan
    ratio = ((prior - score) - possible.times(value)).times(scale)
    return replace(ratio, value=value)


def _shares(totals: FloatArray) -> FloatArray:
    """(4,) what a unit of each numerator adds to the score; 0 for parts that no study has a label for."""
    present = totals > 0
    if not present.any():
        return np.full(len(totals), np.nan)
    return np.divide(1.0, totals * present.sum(), out=np.zeros(len(totals)), where=present)


def _losses(terms: StudyTerms, totals: FloatArray) -> FloatArray:
    """(4,) losses of the parts; 0 where there is no weight."""
    return np.divide(terms.numerators.sum(axis=0), totals, out=np.zeros(len(totals)), where=totals > 0)


def _seed_variances(
    seeds: Sequence[StudyTerms], folds: NDArray[np.int64], shares: FloatArray
) -> tuple[FloatArray, float]:
    """Per fold, the between-seed variance of its contribution to the score / S; and the interaction share of their sum.

    The interaction is estimated from what is left of each study's deviation once its seed's loss in that fold and
    part is taken out.
    """
    numerators = np.stack([terms.numerators for terms in seeds])  # (S, N, 4)
    deviations = numerators - numerators.mean(axis=0)
    weights = seeds[0].denominators
    scale = len(seeds) * (len(seeds) - 1)
    variances, interaction = [], 0.0
    for fold in np.unique(folds):
        inside = folds == fold
        own, weight = deviations[:, inside], weights[inside]  # (S, n, 4), (n, 4)
        sums, totals = own.sum(axis=1), weight.sum(axis=0)  # (S, 4), (4,)
        variances.append(float(((sums @ shares) ** 2).sum()) / scale)
        shift = np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)
        left = (own - shift[:, None] * weight) @ shares  # (S, n)
        studies = int(inside.sum())
        interaction += float((left**2).sum()) / scale * studies / max(studies - 1, 1)
    return np.array(variances), interaction
