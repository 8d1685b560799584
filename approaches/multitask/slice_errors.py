"""By how many slices selection errs, as the classifier's training imitates it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.targets import SERIES_DESCRIPTIONS

from .selection import Selector


def slice_errors(selector: Selector) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """TEMP."""
    return {kind: (np.array([-1, 0, 1]), np.array([0.15, 0.7, 0.15])) for kind in SERIES_DESCRIPTIONS}
