"""Stage 1, slices found jointly: a level's left foramen, canal and right foramen lie side by side at known distances.

Each network sees one kind of series. Where it is unsure, or sure and wrong, the others still show where the middle of
the patient is. So the probabilities that a target's own network gives each slice are multiplied by those that follow
from the other two networks and the usual distances, and the slice is the median of the product. This assumes that the
patient did not move sideways by several slices between the two series. Not part of the write-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bench.data.keypoints import Keypoints
from bench.imaging.study import Series, Study
from bench.targets import LEVELS, TARGETS, indices

_MIN_STUDIES = 3  # with both points, below which a distance counts as unknown
_UNIFORM_WEIGHT = 0.03  # mixture weight of a uniform distribution in a network's probabilities
_MIN_SPREAD_MM = 1.0  # the annotators of very few studies would show none
_MIN_NORMAL_X = 0.5  # x of a sagittal slice's unit normal, at least: at most 60 degrees from sagittal
_CANAL, _LEFT, _RIGHT = indices("spinal"), indices("foraminal", "left"), indices("foraminal", "right")


def lateral_distances(studies: Sequence[Study], keypoints: Keypoints) -> NDArray[np.float64]:
    """(5, 2, 2) by level and side (canal to left foramen, right foramen to canal) a distance's median and spread in mm.

    The spread is the root mean square about the medians, one for all. NaN where fewer than three studies have
    both points.
    """
    x = keypoints.world(studies)[:, :, 0]
    canal, left, right = (x[:, targets] for targets in (_CANAL, _LEFT, _RIGHT))
    distances = np.stack([left - canal, canal - right], axis=2)  # (N, 5, 2)
    enough = (~np.isnan(distances)).sum(axis=0) >= _MIN_STUDIES  # (5, 2)
    result = np.full((len(LEVELS), 2, 2), np.nan)
    if enough.any():
        result[enough, 0] = np.nanmedian(distances[:, enough], axis=0)
        spread = np.sqrt(np.nanmean((distances[:, enough] - result[enough, 0]) ** 2))
        result[enough, 1] = max(spread, _MIN_SPREAD_MM)
    return result


def joint_slices(
    probabilities: Mapping[int, NDArray[np.float64]],
    canal: Series | None,
    foramina: Series | None,
    distances: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(25,) the slices of one study's canal and foramina in anatomical order; NaN where the series is missing.

    Args:
        probabilities: by target (S,) those that its networks give each slice of its series.
        canal, foramina: the series, or None.
        distances: see `lateral_distances`; where they are unknown, a series is missing or its slices are turned more
            than 60 degrees from sagittal, each target is found independently.
    """
    found = np.full(len(TARGETS), np.nan)
    lines = None if canal is None or foramina is None else _lateral_positions(canal, foramina)
    for level in range(len(LEVELS)):
        targets = [target for target in (_CANAL[level], _LEFT[level], _RIGHT[level]) if target in probabilities]
        logs = [_with_uniform(probabilities[target]) for target in targets]
        if len(targets) == 3 and lines is not None:
            logs = _joint_logs(logs[0], logs[1], logs[2], *lines, distances[level])
        found[targets] = [_median_slice(log) for log in logs]
    return found


def _with_uniform(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S,) logs of the mixture with a uniform distribution: a network that is sure and wrong can be overruled."""
    return np.log((1 - _UNIFORM_WEIGHT) * probabilities + _UNIFORM_WEIGHT / len(probabilities))


def comparable(canal: Series, foramina: Series) -> bool:
    """Whether all slices of two series are at most 60 degrees from sagittal, so that they have a lateral position."""
    return _lateral_positions(canal, foramina) is not None


def _joint_logs(
    canal: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    canal_x: NDArray[np.float64],
    foramina_x: NDArray[np.float64],
    distances: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Log probabilities of a level's canal (C,), left and right foramen (F,) slices, each times those by the others.

    Args:
        canal, left, right: log probabilities by each one's own networks.
        canal_x, foramina_x: (C,) and (F,) lateral positions of the slices, mm.
        distances: (2, 2) median and spread of the level's lateral distances, see `lateral_distances`.
    """
    between = foramina_x[None] - canal_x[:, None]  # (C, F)
    to_left, to_right = (_distance_logs(sign * between, *distances[side]) for side, sign in enumerate((1, -1)))
    by_left, by_right = logsumexp(to_left + left, axis=1), logsumexp(to_right + right, axis=1)
    return [
        canal + by_left + by_right,
        left + logsumexp(to_left + (canal + by_right)[:, None], axis=0),
        right + logsumexp(to_right + (canal + by_left)[:, None], axis=0),
    ]


def _distance_logs(distances: NDArray[np.float64], usual: float, spread: float) -> NDArray[np.float64]:
    """(C, F) log probabilities of each of a foramen's slices, given the canal's; uniform where ``usual`` is NaN.

    They are normalised over the slices that exist: that a series ends before the foramen is no evidence on the canal.
    """
    logs = np.zeros_like(distances) if np.isnan(usual) else -0.5 * ((distances - usual) / spread) ** 2
    return logs - logsumexp(logs, axis=1, keepdims=True)


def _median_slice(logs: NDArray[np.float64]) -> int:
    """The median slice, which errs by less than the most probable one where two compete."""
    probabilities = np.exp(logs - logs.max())
    return int((probabilities.cumsum() < 0.5 * probabilities.sum()).sum())


def _lateral_positions(canal: Series, foramina: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Patient x, mm, at which each slice of two series meets one line from side to side: oblique slices compare.

    The line runs through the middle of the canal's series. None if any slice is more than 60 degrees from sagittal.
    """
    middle = len(canal) // 2
    height, width = canal.shapes[middle]
    line = canal.plane(middle).to_world([(width - 1) / 2, (height - 1) / 2])
    positions = []
    for series in (canal, foramina):
        normals = np.cross(series.orientations[:, 0], series.orientations[:, 1])[:, 0]
        if (np.abs(normals) < _MIN_NORMAL_X).any():
            return None
        positions.append(line[0] - series.distances(line) / normals)
    return positions[0], positions[1]
