"""Stage 1, a check: canal, left and right foramen of a level lie beside each other, so two of them outvote the third.

Three networks' passes find them on their own, and each may take one level for another, above all where a spine has a
vertebra more or less. The same level's points are compared in the patient; not part of the write-up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.targets import LEVELS

# Indices into TARGETS of (canal, left foramen, right foramen) of each level.
TRIPLES = np.array([[level, 5 + level, 10 + level] for level in range(len(LEVELS))])
_FEWEST = 3  # studies with all three points, below which nothing is known of a level


def usual_offsets(studies: Sequence[Study], marks: Keypoints) -> NDArray[np.float64]:
    """(5, 3, 2) where canal, left and right foramen of a level lie from their middle: backwards and up, mm.

    Medians over the studies; NaN at a level where fewer than three studies have all three points.
    """
    places = marks.world(studies)[:, TRIPLES, 1:]  # (N, 5, 3, 2)
    offsets = places - places.mean(axis=2, keepdims=True)
    known = ~np.isnan(offsets).any(axis=(2, 3))  # (N, 5)
    result = np.full((len(TRIPLES), 3, 2), np.nan)
    for level in range(len(TRIPLES)):
        if known[:, level].sum() >= _FEWEST:
            result[level] = np.median(offsets[known[:, level], level], axis=0)
    return result


def outvote(
    studies: Sequence[Study], marks: Keypoints, offsets: NDArray[np.float64], limit: float
) -> list[tuple[int, int]]:
    """Move every point that is farther than ``limit`` mm from where each of the other two puts it, if these two agree.

    The point stays on its slice. Points are moved in ``marks`` itself.

    Returns:
        (row, target) of the points that were moved.
    """
    world = marks.world(studies)
    moved = []
    for row, level in np.ndindex(len(studies), len(TRIPLES)):
        targets = TRIPLES[level]
        middles = world[row, targets, 1:] - offsets[level]  # (3, 2): where each puts the middle
        if np.isnan(middles).any():
            continue
        odd = _odd_one(middles, limit)
        if odd is None:
            continue
        target = int(targets[odd])
        place = world[row, target].copy()
        place[1:] = np.delete(middles, odd, axis=0).mean(axis=0) + offsets[level, odd]
        series = studies[row].get(int(marks.series[row, target]))
        marks.pixels[row, target] = series.plane(int(marks.slices[row, target])).to_pixel(place)
        moved.append((row, target))
    return moved


def _odd_one(middles: NDArray[np.float64], limit: float) -> int | None:
    """Which of three places (3, 2) is farther than ``limit`` from both others, which are nearer to each other."""
    apart = np.linalg.norm(middles[:, None] - middles, axis=2)  # (3, 3)
    for odd in range(3):
        first, second = np.delete(np.arange(3), odd)
        if apart[first, second] <= limit < min(apart[odd, first], apart[odd, second]):
            return odd
    return None
