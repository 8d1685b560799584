"""By how many slices stage 1 errs, and random errors of the same distribution for the training of stage 2."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.data.keypoints import Keypoints
from bench.targets import indices

LARGEST = 2
KINDS = {"canal": indices("spinal"), "foramina": indices("foraminal"), "recesses": indices("subarticular")}
# Without a hold-out: what derivative code of the write-up uses for the recesses.
ASSUMED = (0.075, 0.175, 0.5, 0.175, 0.075)


def differences(true: Keypoints, found: Keypoints) -> dict[str, list[int]]:
    """By kind, found minus marked slice of every point that was found on the marked series."""
    same = true.known & found.known & (true.series == found.series)
    difference = found.slices - true.slices
    return {kind: difference[:, targets][same[:, targets]].tolist() for kind, targets in KINDS.items()}


def frequencies(errors: Sequence[int]) -> list[float]:
    """Relative frequencies of -2, -1, 0, 1, 2; larger errors count as 2, and either direction counts for both.

    The direction is not kept since a few dozen held-out points say little about it and anatomy is symmetric.
    """
    if not len(errors):
        return list(ASSUMED)
    clipped = np.clip(np.concatenate([errors, np.negative(errors)]).astype(int), -LARGEST, LARGEST)
    counts = np.bincount(clipped + LARGEST, minlength=2 * LARGEST + 1)
    return [float(count) for count in counts / counts.sum()]


def draw(distribution: Sequence[float], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """(count,) random errors with these relative frequencies."""
    return random.choice(
        np.arange(-LARGEST, LARGEST + 1), size=count, p=np.asarray(distribution) / np.sum(distribution)
    )
