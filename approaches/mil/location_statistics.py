"""What stage 1 knows of its training studies beside its networks' weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.data.keypoints import Keypoints
from bench.imaging.study import Study
from bench.targets import TARGETS, indices

from .joint_slices import lateral_distances
from .outlier_check import level_offsets


@dataclass(frozen=True, slots=True, eq=False)
class LocationStatistics:
    """Statistics of the training studies' points.

    Attributes:
        slice_errors: how often stage 1 misses the marked slice by how many, see `slice_errors.frequencies`.
        level_offsets: how canal and foramina of a level lie to each other, see `outlier_check.level_offsets`.
        lateral_distances: how far apart they lie from side to side, see `joint_slices.lateral_distances`.
        trained: (25,) targets of which any training study has a point; no other is located.
    """

    slice_errors: Mapping[str, Sequence[float]] = field(default_factory=dict)
    level_offsets: NDArray[np.float64] = field(default_factory=lambda: np.full((5, 3, 2), np.nan))
    lateral_distances: NDArray[np.float64] = field(default_factory=lambda: np.full((5, 2, 2), np.nan))
    trained: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(len(TARGETS), dtype=np.bool_))

    @classmethod
    def of(cls, studies: Sequence[Study], keypoints: Keypoints, *, mirror: bool) -> LocationStatistics:
        """All but the slice errors, which need trained networks."""
        return cls(
            level_offsets=level_offsets(studies, keypoints),
            lateral_distances=lateral_distances(studies, keypoints),
            trained=trained_targets(keypoints, mirror=mirror),
        )


def trained_targets(keypoints: Keypoints, *, mirror: bool) -> NDArray[np.bool_]:
    """(25,) which targets have a point in any study. Mirrored, foramina of one side train those of the other.

    The network for the recesses sees both sides of a level, and every level alike.
    """
    known: NDArray[np.bool_] = np.array(keypoints.known.any(axis=0))
    left, right = (list(indices("foraminal", side)) for side in ("left", "right"))
    if mirror:
        known[left] = known[right] = known[left] | known[right]
    left, right = (list(indices("subarticular", side)) for side in ("left", "right"))
    any_left, any_right = known[left].any(), known[right].any()
    known[left] = any_left or (mirror and any_right)
    known[right] = any_right or (mirror and any_left)
    return known
