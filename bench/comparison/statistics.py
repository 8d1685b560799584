"""Intervals of scores and of paired differences, from resampling studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.metric.terms import FloatArray, StudyTerms, reduce

RESAMPLES = 10_000
_ROUNDING = 1e-9
_CHUNK = 500  # resamples drawn at once: 8 MB of multiplicities for 2,000 studies


def multiplicities(studies: int, resamples: int, seed: int) -> Iterator[FloatArray]:
    """How often each study is drawn in each resample: chunks (R, N) of small whole numbers, rows summing to N."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        drawn = random.integers(0, studies, size=(rows, studies))
        flat = (drawn + np.arange(rows)[:, None] * studies).ravel()
        yield np.bincount(flat, minlength=rows * studies).reshape(rows, studies).astype(np.float64)


def bootstrap_scores(
    approaches: Sequence[Sequence[StudyTerms]], *, resamples: int = RESAMPLES, seed: int = 0
) -> FloatArray:
    """Scores (R, A) of approaches over resampled studies, each resample the same for all, so that they pair.

    Args:
        approaches: for each approach the terms of its trained models, one a seed, all on the same N studies. A score
            is the mean over seeds. Where there are several, seeds are drawn with replacement too, for each approach
            by itself: seed 1 of one has nothing in common with seed 1 of another.
        resamples: how many.
        seed: of the drawing.
    """
    models = [terms for seeds in approaches for terms in seeds]
    studies = len(models[0])
    draws = np.concatenate(
        [
            np.column_stack([reduce(terms, weights) for terms in models])
            for weights in multiplicities(studies, resamples, seed)
        ]
    )  # (R, models)
    random = np.random.default_rng([seed, 1])
    ends = np.cumsum([len(seeds) for seeds in approaches])
    columns = []
    for end, seeds in zip(ends, approaches, strict=True):
        chosen = end - len(seeds) + random.integers(0, len(seeds), size=(resamples, len(seeds)))
        columns.append(np.take_along_axis(draws, chosen, axis=1).mean(axis=1))
    return np.column_stack(columns)


def interval(draws: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of bootstrap draws (R,)."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """A score minus another on the same studies: below 0, the first is better.

    Attributes:
        difference: as observed.
        interval: its 95 % bootstrap interval.
        p: two-sided; the share of resamples on the other side of 0, doubled.
    """

    difference: float
    interval: tuple[float, float]
    p: float


def paired_difference(first: FloatArray, second: FloatArray, observed: float) -> PairedDifference:
    """The difference of two columns (R,) of `bootstrap_scores`, its interval and its p-value.

    One resample is added to either side, so that p is never 0: with R resamples it can say no less than 2 / (R + 1).
    Differences of rounding size count as none, so that equal predictions are not told apart.
    """
    draws = first - second
    beyond = min(int((draws <= _ROUNDING).sum()), int((draws >= -_ROUNDING).sum()))
    return PairedDifference(observed, interval(draws), min(1.0, 2 * (1 + beyond) / (len(draws) + 1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several (Holm 1979), in the order given."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
