"""p-values adjusted for a family of pairs: single-step min-P over studentised bootstrap draws (Westfall & Young 1993).

With one seed all pairs have the same degrees of freedom, and this is the single-step max-T.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

from bench.comparison.resampling import StudyDraws
from bench.comparison.statistics import ROUNDING
from bench.metric.terms import FloatArray


def smallest_p(influences: FloatArray, studies: Sequence[int], draws: StudyDraws) -> FloatArray:
    """(R,) the smallest p-value over the family in each resample, as if all its approaches were equal.

    Args:
        influences: (N, M) influence values of the family's M paired differences; 0 where a pair lacks a study.
        studies: (M,) how many studies each pair has.
        draws: resamples of the N studies, the same for all pairs, so that the adjustment knows how they depend on
            each other.
    """
    rounding = np.sqrt((influences**2).sum(axis=0)) <= ROUNDING * len(influences)
    values = np.where(rounding | np.isnan(influences).any(axis=0), 0.0, influences)
    sizes = np.asarray(studies)
    smallest = []
    for weights in draws.chunks():
        statistics = _studentised(weights, values)  # (r, M)
        each = [_p(statistics[:, sizes == size].max(axis=1), size - 1) for size in np.unique(sizes)]
        smallest.append(np.min(each, axis=0))
    return np.concatenate(smallest)


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


def _studentised(weights: FloatArray, values: FloatArray) -> FloatArray:
    """(r, M) absolute t statistics of resampled influence values; 0 for pairs that do not differ anywhere."""
    n = len(values)
    means = weights @ values / n
    squares = weights @ values**2 / n
    variances = np.maximum(squares - means**2, 0.0) / max(n - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.abs(means) / np.sqrt(variances), nan=0.0, posinf=np.inf)


def _p(statistics: FloatArray, df: int) -> FloatArray:
    return np.asarray(2 * student.sf(statistics, max(df, 1)))
