"""The prior as an approach: what can be scored without looking at a single image."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from bench.approach import Approach, Context, NetworkUse, Predictions, StudyCounts
from bench.data.cohort import Cohort
from bench.metric.prior import prior_probabilities
from bench.targets import TARGETS


class Prior(Approach):
    """Class shares per condition and level, sides pooled, smoothed and weighted 1/2/4; looks at no image."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.probabilities = np.full((len(TARGETS), 3), np.nan)  # (25, 3)

    def forecast(self, studies: StudyCounts) -> list[NetworkUse]:
        """It has no network."""
        return []

    def fit(self, train: Cohort, context: Context) -> None:
        """Count the training grades."""
        self.probabilities = prior_probabilities(train.grades)

    def predict(self, studies: Cohort, context: Context) -> Predictions:
        """The same probabilities for every study."""
        return Predictions(studies.study_ids, np.repeat(self.probabilities[None], len(studies), axis=0))

    def save(self, folder: Path) -> None:
        """Write the (25, 3) probabilities."""
        np.save(folder / "probabilities.npy", self.probabilities)

    @classmethod
    def load(cls, folder: Path, config: Any) -> Self:
        """Read them."""
        prior = cls(config)
        prior.probabilities = np.load(folder / "probabilities.npy", allow_pickle=False)
        return prior
