"""The noise floor: the score of the true label probabilities, tilted as the metric rewards, on the drawn labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metric import PARTS, reduce_parts, study_terms

from .labels import FloatArray, tilted


def floor_score(grades: NDArray[np.int8], probabilities: FloatArray) -> dict[str, Any]:
    """The official metric of the tilted true probabilities.

    Raising the highest severe probability of a study could still gain up to 0.002 in ``any_severe_spinal``.

    Args:
        grades: (N, 25) grades, -1 where the label is missing.
        probabilities: (N, 25, 3) true probabilities.
    Returns:
        ``score`` and ``parts``.
    """
    parts = weighted_log_losses(grades, tilted(probabilities))
    return {"score": float(np.mean([*parts.values()])), "parts": parts}


def weighted_log_losses(grades: NDArray[np.int8], predicted: FloatArray) -> dict[str, float]:
    """The four parts of the metric for predictions (N, 25, 3)."""
    return dict(zip(PARTS, map(float, reduce_parts(study_terms(grades, predicted))), strict=True))
