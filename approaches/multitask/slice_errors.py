"""By how many slices selection errs on inner hold-outs, as the classifier's training imitates it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SliceErrors = dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]
"""By series description, offsets in slices and how often each occurs."""

FARTHEST = 2  # slices; an error beyond it counts as it, since crops are kept in memory with so many neighbours


def slice_errors(measured: Mapping[str, Mapping[int, float]]) -> SliceErrors:
    """What to draw from; a kind without any error measured is absent.

    Args:
        measured: by series description, how often a selected slice lies so many slices from the marked one.
    """
    values = np.arange(-FARTHEST, FARTHEST + 1)
    found: SliceErrors = {}
    for kind, shares in measured.items():
        offsets = np.clip(list(shares), -FARTHEST, FARTHEST) + FARTHEST
        chances = np.bincount(offsets.astype(np.int64), weights=list(shares.values()), minlength=len(values))
        if chances.sum() > 0:
            found[kind] = values, chances / chances.sum()
    return found
