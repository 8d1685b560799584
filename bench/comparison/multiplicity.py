"""p-values adjusted for a family of pairs: single-step max-T over bootstrap draws of studies (Westfall & Young 1993).

Each pair's draws are divided by its own standard error. They are compared as p-values (min-P), since pairs differ in
degrees of freedom where there are several seeds; with one seed this is the single-step max-T.

Dividing each draw by the standard error of that draw instead would be far too cautious here: 1 % of studies carry half
of the variance of a difference, and draws without them have tiny standard errors. In simulation the family error of
four equal approaches is then 0.4 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from bench.comparison.resampling import StudyDraws
from bench.comparison.statistics import ROUNDING
from bench.metric.terms import FloatArray


def smallest_p(influences: FloatArray, draws: StudyDraws) -> FloatArray:
    """(R,) the smallest p-value over the family in each resample, as if all its approaches were equal.

    Args:
        influences: (N, M) influence values of the family's M paired differences; 0 where a pair lacks a study.
        draws: resamples of the N studies, the same for all pairs, so that the adjustment knows how they depend on
            each other.
    """
    norms = np.sqrt((influences**2).sum(axis=0))  # of the sum over a resample, this is the standard deviation
    known = norms > ROUNDING * len(influences)  # False for NaN and for pairs that do not differ
    scaled = np.divide(influences, norms, out=np.zeros_like(influences), where=known)
    largest = [np.abs(weights @ scaled).max(axis=1) for weights in draws.chunks()]
    return np.asarray(2 * norm.sf(np.concatenate(largest)))


def adjusted(p_values: Sequence[float], smallest: FloatArray) -> list[float]:
    """Adjusted p-values: the share of resamples whose smallest p over the family is at most the pair's.

    One resample is added, so that the share is never 0; it does not grow with the number of pairs. An adjusted p is
    at least the unadjusted one, is equal to it in a family of one, and NaN stays NaN.
    """
    if len(p_values) == 1:
        return list(p_values)
    ordered = np.sort(smallest)
    counts = np.searchsorted(ordered, np.asarray(p_values) * (1 + 1e-12), side="right")
    shares = (1 + counts) / (len(ordered) + 1)
    return [float(np.maximum(p, share)) for p, share in zip(p_values, shares, strict=True)]
