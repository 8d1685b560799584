"""The smallest difference that the studies and seeds of a comparison could separate."""

from __future__ import annotations

from scipy.stats import t as student

from bench.comparison.statistics import LEVEL, Estimated

POWER = 0.8


def detectable_difference(difference: Estimated) -> float:
    """The true difference that a pair of this variance would show with 80 % power: (t.975 + t.80) * standard error.

    It holds for one comparison, p unadjusted; among many pairs, differences must be larger.
    """
    quantiles = student.ppf([(1 + LEVEL) / 2, POWER], difference.df)
    return float(quantiles.sum()) * difference.standard_error
