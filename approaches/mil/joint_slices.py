"""Stage 1, slices found together: a level's left foramen, canal and right foramen lie side by side at known distances.

Each network knows one kind of series, and where it is unsure, or sure and wrong, the others still know where the middle
of the patient is. So each target's chances are those that its own network gives, times what the other two networks and
the usual distances make of them, and the slice is their median. This trusts the two series to lie in one patient: where
the patient moved sideways between them by several slices, it errs. Not part of the write-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bench.data.keypoints import Keypoints
from bench.imaging.study import Series, Study
from bench.targets import LEVELS

_FEWEST = 3  # studies with both points, below which nothing is known of a distance
_DOUBT = 0.03  # how likely a network's word is worth nothing
_LEAST_MM = 1.0  # of spread: annotators of one study alone would show none
_SAGITTAL = 0.5  # the least share of x in the normal of a slice that is told by its place from side to side


def usual_breadths(studies: Sequence[Study], marks: Keypoints) -> NDArray[np.float64]:
    """(5, 2, 2) by level and side (canal to left foramen, right foramen to canal) a distance's median and spread in mm.

    The spread is the root mean square about the medians, one for all. NaN where fewer than three studies have
    both points.
    """
    across = marks.world(studies)[:, :, 0]
    canal, left, right = (across[:, first : first + len(LEVELS)] for first in (0, 5, 10))
    distances = np.stack([left - canal, canal - right], axis=2)  # (N, 5, 2)
    enough = (~np.isnan(distances)).sum(axis=0) >= _FEWEST  # (5, 2)
    result = np.full((len(LEVELS), 2, 2), np.nan)
    if enough.any():
        result[enough, 0] = np.nanmedian(distances[:, enough], axis=0)
        spread = np.sqrt(np.nanmean((distances[:, enough] - result[enough, 0]) ** 2))
        result[enough, 1] = max(spread, _LEAST_MM)
    return result


def slices_together(
    chances: Mapping[int, NDArray[np.float64]],
    canal: Series | None,
    foramina: Series | None,
    breadths: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(25,) the slices of one study's canal and foramina in anatomical order; NaN where the series is missing.

    Args:
        chances: by target (S,) how likely a network thinks each slice of the target's series.
        canal, foramina: the series, or None.
        breadths: see `usual_breadths`; where they are unknown, a series is missing or its slices stand farther than 60
            degrees from sagittal, a target is found on its own.
    """
    found = np.full(25, np.nan)
    across = None if canal is None or foramina is None else _across(canal, foramina)
    for level in range(len(LEVELS)):
        targets = [target for target in (level, 5 + level, 10 + level) if target in chances]
        logs = [np.log((1 - _DOUBT) * chances[t] + _DOUBT / len(chances[t])) for t in targets]
        if len(targets) == 3 and across is not None:
            logs = _together(logs[0], logs[1], logs[2], *across, breadths[level])
        found[targets] = [_middle(log) for log in logs]
    return found


def comparable(canal: Series, foramina: Series) -> bool:
    """Whether the slices of two series are told by their place from side to side: none is farther from sagittal than 60
    degrees."""
    return _across(canal, foramina) is not None


def _together(
    canal: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    canal_across: NDArray[np.float64],
    foramina_across: NDArray[np.float64],
    breadths: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Log chances of a level's canal (C,), left and right foramen (F,) slices, each with what the others make of it.

    The slices' x in the patient are (C,) and (F,).
    """
    distances = foramina_across[None] - canal_across[:, None]  # (C, F)
    to_left, to_right = (_fit(way * distances, *breadths[side]) for side, way in enumerate((1, -1)))
    by_left, by_right = logsumexp(to_left + left, axis=1), logsumexp(to_right + right, axis=1)
    return [
        canal + by_left + by_right,
        left + logsumexp(to_left + (canal + by_right)[:, None], axis=0),
        right + logsumexp(to_right + (canal + by_left)[:, None], axis=0),
    ]


def _fit(distances: NDArray[np.float64], usual: float, spread: float) -> NDArray[np.float64]:
    """(C, F) log chances of each of a foramen's slices, given the canal's; all alike where the distance is unknown.

    Of the slices that there are: that a series ends before the foramen says nothing of the canal.
    """
    logs = np.zeros_like(distances) if np.isnan(usual) else -0.5 * ((distances - usual) / spread) ** 2
    return logs - logsumexp(logs, axis=1, keepdims=True)


def _middle(logs: NDArray[np.float64]) -> int:
    """The median slice, which strays less far than the likeliest one where two compete."""
    chances = np.exp(logs - logs.max())
    return int((chances.cumsum() < 0.5 * chances.sum()).sum())


def _across(canal: Series, foramina: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Patient x, mm, at which each slice of two series meets the line from side to side through the canal series'
    middle, so that oblique slices compare; None if slices stand farther than 60 degrees from sagittal."""
    middle = len(canal) // 2
    height, width = canal.shapes[middle]
    line = canal.plane(middle).to_world([(width - 1) / 2, (height - 1) / 2])
    places = []
    for series in (canal, foramina):
        normals = np.cross(series.orientations[:, 0], series.orientations[:, 1])[:, 0]
        if (np.abs(normals) < _SAGITTAL).any():
            return None
        places.append(line[0] - series.distances(line) / normals)
    return places[0], places[1]
