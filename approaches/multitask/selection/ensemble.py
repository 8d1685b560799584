"""Four members that vote with their probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .config import SelectionConfig
from .members import MEMBERS, Member, fit_member, grouped_splits


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """A soft vote: the mean of the members' probabilities.

    Attributes:
        members: by name; empty if there was too little to learn from.
    """

    members: Mapping[str, Member] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        matrix: NDArray[np.float32],
        marked: NDArray[np.bool_],
        groups: NDArray[np.int64],
        config: SelectionConfig,
        seed: int,
    ) -> Ensemble:
        """Train all members.

        Args:
            matrix: (n, D) of all slices.
            marked: (n,) which are marked.
            groups: (n,) the study that each belongs to.
            config: of selection.
            seed: of random numbers.
        Returns:
            An ensemble without members if there are fewer than two studies, or if slices of one class are missing from
            a study fold: nothing could be calibrated.
        """
        splits = grouped_splits(marked, groups, config.calibration_folds)
        if splits is None:
            return cls()
        return cls({name: fit_member(name, matrix, marked, splits, config, seed) for name in MEMBERS})

    @property
    def trained(self) -> bool:
        """Whether there is anything that votes."""
        return bool(self.members)

    def votes(self, matrix: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """By member: (n,) the probability that each slice is marked."""
        return {name: member.probability(matrix) for name, member in self.members.items()}

    def probability(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n,) the probability that each slice is marked."""
        return np.mean(list(self.votes(matrix).values()), axis=0)
