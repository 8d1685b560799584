"""Intervals, p-values and degrees of freedom from influence values."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, nan, sqrt

import numpy as np
from scipy.stats import t as student

from bench.comparison.influence import Influence

LEVEL = 0.95
ROUNDING = 1e-9  # differences of this size are rounding errors


@dataclass(frozen=True, slots=True)
class Estimated:
    """A statistic with its sampling variance.

    Attributes:
        value: as observed.
        variance: over studies, and over training seeds where there are several; NaN where it cannot be known.
        df: degrees of freedom of `variance` (Satterthwaite); NaN likewise.
        one_seed: whether an approach in it has one training seed: then it holds for these trained models.
    """

    value: float
    variance: float
    df: float
    one_seed: bool = False

    @property
    def standard_error(self) -> float:
        """The square root of the variance."""
        return sqrt(self.variance)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval, value +- t * standard error; NaN where the variance is not known."""
        half = float(student.ppf((1 + LEVEL) / 2, self.df)) * self.standard_error
        return self.value - half, self.value + half


@dataclass(frozen=True, slots=True)
class PairedDifference(Estimated):
    """A score minus another on the same studies: below 0, the first is better."""

    @property
    def difference(self) -> float:
        """The difference as observed."""
        return self.value

    @property
    def p(self) -> float:
        """Two-sided and unadjusted: below .05 exactly where the 95 % interval leaves out 0.

        Differences of rounding size count as none. NaN where the variance is not known.
        """
        if isnan(self.value) or isnan(self.variance):
            return nan
        if abs(self.value) <= ROUNDING:
            return 1.0
        ratio = abs(self.value) / self.standard_error if self.variance > 0 else inf
        return float(2 * student.sf(ratio, self.df))


def estimated(influence: Influence) -> Estimated:
    """A statistic with its variance and degrees of freedom."""
    variance, df = variance_and_df(influence)
    return Estimated(influence.value, variance, df, influence.one_seed)


def paired_difference(first: Influence, second: Influence) -> PairedDifference:
    """The first statistic minus the second, on the same studies."""
    influence = first - second
    variance, df = variance_and_df(influence)
    return PairedDifference(influence.value, variance, df, influence.one_seed)


def variance_and_df(influence: Influence) -> tuple[float, float]:
    """The variance of a statistic and its Satterthwaite degrees of freedom; both NaN for fewer than two studies.

    The variance is that over studies plus, with several seeds, what the seeds add to it: the sum of their variances
    less the interaction of seeds with studies, which the variance over studies has already. Nothing is subtracted
    for the degrees of freedom (Satterthwaite 1946), since a difference of variances has few.
    """
    studies = len(influence)
    if studies < 2:
        return nan, nan
    over_studies = float(influence.by_study @ influence.by_study) / (studies * (studies - 1))
    of_seeds = float(influence.seed_variances.sum())
    variance = over_studies + max(0.0, of_seeds - influence.interaction)
    squares = over_studies**2 / (studies - 1) + float(np.sum(influence.seed_variances**2 / influence.seed_df))
    df = (over_studies + of_seeds) ** 2 / squares if squares > 0 else float(studies - 1)
    return variance, (nan if isnan(variance) else df)
