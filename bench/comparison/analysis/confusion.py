"""Confusion matrices: the true grade by the grade with the largest submitted probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.comparison.analysis.predicted import CONDITION_OF, Predicted
from bench.targets import CONDITIONS


@dataclass(frozen=True, slots=True)
class Confusion:
    """One approach and condition.

    Attributes:
        label: the approach.
        condition: one of `bench.targets.CONDITIONS`.
        counts: (3, 3) rows by true grade and predicted grade; with several seeds the mean count.
    """

    label: str
    condition: str
    counts: tuple[tuple[float, ...], ...]


def confusions(predicted: Predicted) -> tuple[Confusion, ...]:
    """Of every approach and condition.

    Predictions are made for the weights 1, 2, 4, so that a severe grade is predicted from a fourth of the odds on.
    """
    found = []
    grades = predicted.split.grades
    for each in predicted.approaches:
        said = each.probabilities[:, each.held_out].argmax(axis=-1)  # (S, n, 25)
        true = np.broadcast_to(grades[each.held_out], said.shape)
        for number, condition in enumerate(CONDITIONS):
            rows = (true >= 0) & (number == CONDITION_OF)
            counts = np.bincount(3 * true[rows].astype(int) + said[rows], minlength=9).reshape(3, 3) / len(said)
            found.append(Confusion(each.label, condition, tuple(map(tuple, counts.tolist()))))
    return tuple(found)
