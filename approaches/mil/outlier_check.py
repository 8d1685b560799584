"""Stage 1, outlier check: canal, left and right foramen of a level lie beside each other, so two correct the third.

They are found independently, and each may be found at another level, above all where a spine has a vertebra more or
less. The points of one level are compared in the patient. Not part of the write-up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.targets import indices

# Indices into TARGETS of (canal, left foramen, right foramen) of each level.
TRIPLES = np.array([indices("spinal"), indices("foraminal", "left"), indices("foraminal", "right")]).T
_MIN_STUDIES = 3  # with all three points, below which a level's offsets count as unknown


def level_offsets(studies: Sequence[Study], keypoints: Keypoints) -> NDArray[np.float64]:
    """(5, 3, 2) offsets of a level's canal, left and right foramen from their middle: backwards and up, mm.

    Medians over the studies; NaN at a level where fewer than three studies have all three points.
    """
    places = keypoints.world(studies)[:, TRIPLES, 1:]  # (N, 5, 3, 2)
    offsets = places - places.mean(axis=2, keepdims=True)
    known = ~np.isnan(offsets).any(axis=(2, 3))  # (N, 5)
    result = np.full((len(TRIPLES), 3, 2), np.nan)
    for level in range(len(TRIPLES)):
        if known[:, level].sum() >= _MIN_STUDIES:
            result[level] = np.median(offsets[known[:, level], level], axis=0)
    return result


def correct_outliers(
    studies: Sequence[Study], keypoints: Keypoints, offsets: NDArray[np.float64], threshold_mm: float
) -> list[tuple[int, int]]:
    """Move every point that is farther than ``threshold_mm`` from where the other two of its level put it.

    The other two have to agree within the threshold. The point stays on its slice; ``keypoints`` itself is changed.

    Returns:
        (row, target) of the points that were moved.
    """
    world = keypoints.world(studies)
    moved = []
    for row, level in np.ndindex(len(studies), len(TRIPLES)):
        targets = TRIPLES[level]
        middles = world[row, targets, 1:] - offsets[level]  # (3, 2): where each puts the middle
        if np.isnan(middles).any():
            continue
        odd = _outlier(middles, threshold_mm)
        if odd is None:
            continue
        target = int(targets[odd])
        place = world[row, target].copy()
        place[1:] = np.delete(middles, odd, axis=0).mean(axis=0) + offsets[level, odd]
        series = studies[row].get(int(keypoints.series[row, target]))
        keypoints.pixels[row, target] = series.plane(int(keypoints.slices[row, target])).to_pixel(place)
        moved.append((row, target))
    return moved


def _outlier(middles: NDArray[np.float64], threshold_mm: float) -> int | None:
    """Which of three places (3, 2) is farther than ``threshold_mm`` from both others, which agree within it."""
    apart = np.linalg.norm(middles[:, None] - middles, axis=2)  # (3, 3)
    for odd in range(3):
        first, second = np.delete(np.arange(3), odd)
        if apart[first, second] <= threshold_mm < min(apart[odd, first], apart[odd, second]):
            return odd
    return None
