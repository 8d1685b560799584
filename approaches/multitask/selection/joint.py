"""The canal's slice and those of both foramina, chosen together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_PAIRS = ((0, 1), (0, 2), (1, 2))
_LEAST_SD_MM = 2.0


def lateral_distances(places: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """(3, 2) mean and standard deviation of the distances between canal, right and left foramen.

    Args:
        places: (N, 3) of each training study, mm from right to left, NaN where unknown.
    Returns:
        In the order of canal and right, canal and left, right and left; None if a pair was never seen twice.
    """
    rows = []
    for first, second in _PAIRS:
        known = places[:, second] - places[:, first]
        known = known[~np.isnan(known)]
        if len(known) < 2:
            return None
        rows.append([known.mean(), max(float(known.std()), _LEAST_SD_MM)])
    return np.array(rows)


def choose_jointly(
    probabilities: Sequence[NDArray[np.float64] | None],
    places: Sequence[NDArray[np.float64] | None],
    distances: NDArray[np.float64] | None,
) -> Mapping[int, int]:
    """The slice of each part, by their probabilities and the distances between them.

    Args:
        probabilities: of the canal, right and left foramen: (S,) each, None where there is no series.
        places: where the slices lie, mm from right to left.
        distances: from `lateral_distances`; None chooses each by itself.
    Returns:
        Index of the slice by part, of those that have a series.
    """
    there = [part for part, one in enumerate(probabilities) if one is not None and len(one)]
    logs = {part: np.log(np.clip(np.asarray(probabilities[part], dtype=np.float64), 1e-6, 1)) for part in there}
    if distances is None or len(there) < 2:
        return {part: int(np.argmax(logs[part])) for part in there}
    total = np.zeros([len(logs[part]) for part in there])
    for axis, part in enumerate(there):
        total = total + _along(logs[part], axis, len(there))
    for (first, second), (mean, deviation) in zip(_PAIRS, distances, strict=True):
        if first in there and second in there:
            a = _along(np.asarray(places[first]), there.index(first), len(there))
            b = _along(np.asarray(places[second]), there.index(second), len(there))
            total = total - 0.5 * ((b - a - mean) / deviation) ** 2
    best = np.unravel_index(int(np.argmax(total)), total.shape)
    return {part: int(index) for part, index in zip(there, best, strict=True)}


def _along(values: NDArray[np.float64], axis: int, axes: int) -> NDArray[np.float64]:
    """A vector along one axis of an array."""
    shape = [1] * axes
    shape[axis] = -1
    return values.reshape(shape)
