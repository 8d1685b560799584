"""Bootstrap draws of studies, shared by all approaches and pairs of a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.metric import StudyTerms, reduce
from bench.metric.terms import FloatArray

RESAMPLES = 10_000
_CHUNK = 500  # resamples handled at once: 8 MB of multiplicities for 2,000 studies


@dataclass(frozen=True, slots=True, eq=False)
class StudyDraws:
    """How often each study is drawn in each resample.

    Attributes:
        counts: (R, N) rows summing to N.
        redrawn: how many resamples lacked a part of the score and were drawn again.
    """

    counts: NDArray[np.uint16]
    redrawn: int

    def chunks(self) -> Iterator[FloatArray]:
        """Some rows of `counts` at a time, as floats for matrix products."""
        for start in range(0, len(self.counts), _CHUNK):
            yield self.counts[start : start + _CHUNK].astype(np.float64)


def draw_studies(denominators: FloatArray, resamples: int = RESAMPLES, *, seed: int = 0) -> StudyDraws:
    """Draw studies with replacement, each resample holding every part of the score that all studies hold together.

    What is drawn depends on the seed and the labels alone, not on which approaches are compared.

    Args:
        denominators: (N, 4) sums of weights, as in `StudyTerms`.
        resamples: how many.
        seed: of the drawing.

    Raises:
        ValueError: all weights are 0.
    """
    labelled = denominators[:, denominators.sum(axis=0) > 0]
    if not labelled.size:
        raise ValueError(f"all weights of these {len(denominators)} studies are 0: there is nothing to resample.")
    random = np.random.default_rng(seed)
    counts = np.empty((resamples, len(denominators)), dtype=np.uint16)
    redrawn = 0
    for start in range(0, resamples, _CHUNK):
        drawn = counts[start : start + _CHUNK]
        lacking = np.arange(len(drawn))
        while len(lacking):
            drawn[lacking] = _multiplicities(random, len(lacking), len(denominators))
            lacking = lacking[((drawn[lacking].astype(np.float64) @ labelled) == 0).any(axis=1)]
            redrawn += len(lacking)
    return StudyDraws(counts, redrawn)


def score_draws(terms: StudyTerms, draws: StudyDraws) -> FloatArray:
    """(R,) scores of one approach on the resamples."""
    return np.concatenate([reduce(terms, weights) for weights in draws.chunks()])


def _multiplicities(random: np.random.Generator, resamples: int, studies: int) -> NDArray[np.int64]:
    drawn = random.integers(0, studies, size=(resamples, studies))
    flat = (drawn + np.arange(resamples)[:, None] * studies).ravel()
    return np.bincount(flat, minlength=resamples * studies).reshape(resamples, studies)
