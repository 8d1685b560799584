"""The best score that anyone can reach on the drawn labels: the true probabilities, tilted as the metric rewards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.targets import CLASS_WEIGHTS, CONDITIONS, TARGETS

from .labels import FloatArray, tilted

_CONDITION = np.array([target.condition for target in TARGETS])


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
    """The four parts of the metric for predictions (N, 25, 3) whose rows sum to 1."""
    present = grades >= 0
    weights = np.where(present, np.array(CLASS_WEIGHTS)[np.clip(grades, 0, 2)], 0.0)
    chosen = np.take_along_axis(predicted, np.clip(grades, 0, 2)[..., None].astype(int), axis=-1)[..., 0]
    losses = -np.log(np.clip(chosen, 2.2e-16, None))
    parts = {}
    for condition in CONDITIONS:
        mine = condition == _CONDITION
        parts[condition] = float((weights * losses)[:, mine].sum() / weights[:, mine].sum())
    spinal = _CONDITION == "spinal"
    weight = weights[:, spinal].max(axis=1)
    severe = (grades[:, spinal] == 2).any(axis=1)
    highest = np.where(present[:, spinal], predicted[:, spinal, 2], 0).max(axis=1)
    highest = np.clip(highest, 2.2e-16, 1 - 2.2e-16)
    loss = -np.where(severe, np.log(highest), np.log(1 - highest))
    parts["any_severe_spinal"] = float((weight * loss).sum() / weight.sum())
    return parts
