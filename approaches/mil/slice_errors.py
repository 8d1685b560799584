"""By how many slices stage 1 misses the slice that the annotator marked, and bags moved likewise in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.data.keypoints import Keypoints

LARGEST = 2
KINDS = {"canal": slice(0, 5), "foramina": slice(5, 15), "recesses": slice(15, 25)}
# Where nothing was held out: what derivative code of the write-up uses for the recesses.
ASSUMED = (0.075, 0.175, 0.5, 0.175, 0.075)


def misses(true: Keypoints, found: Keypoints) -> dict[str, list[int]]:
    """Found minus marked slice of every point that was found on the marked series, by what was looked for."""
    same = true.known & found.known & (true.series == found.series)
    difference = found.slices - true.slices
    return {kind: difference[:, part][same[:, part]].tolist() for kind, part in KINDS.items()}


def frequencies(missed: Sequence[int]) -> list[float]:
    """The shares of -2, -1, 0, 1, 2; farther ones count as 2, and either direction counts for both.

    The direction is not kept since a few dozen held-out points say little about it and anatomy is symmetric.
    """
    if not len(missed):
        return list(ASSUMED)
    clipped = np.clip(np.concatenate([missed, np.negative(missed)]).astype(int), -LARGEST, LARGEST)
    counts = np.bincount(clipped + LARGEST, minlength=2 * LARGEST + 1)
    return [float(count) for count in counts / counts.sum()]


def draw(shares: Sequence[float], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """(count,) random shifts with these frequencies."""
    return random.choice(np.arange(-LARGEST, LARGEST + 1), size=count, p=np.asarray(shares) / np.sum(shares))


def bag_slices(
    centres: NDArray[np.int64], moved_by: NDArray[np.int64], lengths: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The slices of bags, and where in each the slice at its centre before it was moved stands.

    Args:
        centres: (B,) the marked slices.
        moved_by: (B,) shift of the bag's centre; it is kept within the series.
        lengths: (B,) slices in the series.
        size: slices a bag, odd; those beyond an end repeat the last.

    Returns:
        (B, size) slice indices in anatomical order; (B,) place of the marked slice in its bag, -1 if it is not there.
        With room on both sides, a bag moved by +1 has the marked slice one place before the middle.
    """
    half = size // 2
    last = np.maximum(lengths - 1, 0)
    middle = np.clip(centres + moved_by, 0, last)
    slices = np.clip(middle[:, None] + np.arange(-half, half + 1), 0, last[:, None])
    place = half - (middle - centres)
    return slices, np.where((place >= 0) & (place < size), place, -1)
