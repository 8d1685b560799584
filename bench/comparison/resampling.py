"""Bootstrap draws of several approaches, made once for each set of studies that a comparison asks about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.comparison.statistics import bootstrap_scores
from bench.metric import StudyTerms


class Resampled:
    """Draws of scores over resampled studies, paired between approaches.

    Args:
        approaches: the class prior first, then each approach: its terms (N,) on the whole split, one a seed.
        resamples: how many draws.
    """

    def __init__(self, approaches: Sequence[Sequence[StudyTerms]], resamples: int) -> None:
        self.approaches = approaches
        self.resamples = resamples
        self._made: dict[bytes, NDArray[np.float64]] = {}

    def draws(self, index: int, studies: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(R,) scores of one approach on resamples of these studies.

        Args:
            index: its place among the approaches, the prior being -1.
            studies: (N,) bool; all of an approach's studies must be among those that it has graded.
        """
        key = studies.tobytes()
        if key not in self._made:
            chosen = [[terms[studies] for terms in seeds] for seeds in self.approaches]
            self._made[key] = bootstrap_scores(chosen, resamples=self.resamples)
        return self._made[key][:, index + 1]
