"""By how many slices selection errs, as the classifier's training imitates it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.targets import SERIES_DESCRIPTIONS

from .selection import Selector


def slice_errors(selector: Selector) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """By series description: differences in slices, and how often each occurred on inner hold-outs.

    Without any hold-out (a single training study) none is imitated.
    """
    errors = {kind: selector.slice_errors.get(kind) or {0: 1.0} for kind in SERIES_DESCRIPTIONS}
    return {kind: (np.array(list(one), np.int64), np.array(list(one.values()))) for kind, one in errors.items()}
