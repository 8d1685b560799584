"""How well an approach locates: its points held against the annotators', condition by condition.

Sagittal points are judged by slice and within the plane, as the competition's first place did; level and side by which
true point of the study is nearest in the patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.imaging.study import Study
from bench.targets import CONDITIONS, LEVELS, POINT_COLUMNS, POINT_TARGET_INDEX, TARGETS

SCHEMA_VERSION = 1
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ConditionLocalisation:
    """The points of one condition.

    Attributes:
        true: annotators' points that could be placed.
        found: how many of them the approach located too.
        same_series: how many of these on the series that the annotator used; slices are compared there alone.
        exact, off_by_one, off_by_two, further: shares of these by distance in slices; NaN where there are none.
        median_mm, percentile_95_mm: distance within the plane of the annotator's slice.
        levels: (5, 5) counts: of points meant for the row's level, to which level's true point they are nearest.
        level_confusions: how many are nearest to another level's.
        side_swaps: how many are nearer to the other side's true point of their level.
    """

    true: int
    found: int
    same_series: int
    exact: float
    off_by_one: float
    off_by_two: float
    further: float
    median_mm: float
    percentile_95_mm: float
    levels: list[list[int]]
    level_confusions: int
    side_swaps: int

    @property
    def within_one(self) -> float:
        """Share of the points on the annotator's slice or one beside it."""
        return self.exact + self.off_by_one

    def document(self) -> dict[str, Any]:
        """For JSON; None where there was nothing to take a share or a median of."""
        values = asdict(self) | {"within_one": self.within_one}
        return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in values.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """Points of N studies: (N, 25) series and slice index (-1: none), (N, 25, 3) world, NaN where there is none."""

    series: NDArray[np.int64]
    slices: NDArray[np.int64]
    world: FloatArray

    @property
    def known(self) -> NDArray[np.bool_]:
        return self.slices >= 0


def judge_points(
    predicted: pd.DataFrame, true: pd.DataFrame, studies: Sequence[Study]
) -> dict[str, ConditionLocalisation]:
    """Compare two tables of points in the format of ``train_label_coordinates.csv``.

    Args:
        predicted: what the approach located.
        true: the annotators' points; those on a series or slice that the study lacks are left out.
        studies: the studies to judge; points of others are ignored.

    Returns:
        By condition: ``spinal``, ``foraminal``, ``subarticular``.
    """
    found, marked = _place(predicted, studies), _place(true, studies)
    in_plane = _in_plane_mm(found, marked, studies)
    return {condition: _judge(condition, found, marked, in_plane) for condition in CONDITIONS}


def document(judged: Mapping[str, ConditionLocalisation]) -> dict[str, Any]:
    """What `judge_points` returned as a JSON document."""
    return {"schema_version": SCHEMA_VERSION, **{name: one.document() for name, one in judged.items()}}


def _judge(condition: str, found: _Placed, marked: _Placed, in_plane: FloatArray) -> ConditionLocalisation:
    own = np.array([target.condition == condition for target in TARGETS])
    true, both = marked.known[:, own], (marked.known & found.known)[:, own]
    same = both & (marked.series == found.series)[:, own]
    missed = np.abs(found.slices - marked.slices)[:, own][same]
    shares = [float((missed == slices).mean()) if len(missed) else float("nan") for slices in range(3)]
    levels = _nearest_levels(condition, found.world, marked.world)
    millimetres = in_plane[:, own][both]
    return ConditionLocalisation(
        true=int(true.sum()),
        found=int(both.sum()),
        same_series=int(same.sum()),
        exact=shares[0],
        off_by_one=shares[1],
        off_by_two=shares[2],
        further=float((missed > 2).mean()) if len(missed) else float("nan"),
        median_mm=float(np.median(millimetres)) if len(millimetres) else float("nan"),
        percentile_95_mm=float(np.percentile(millimetres, 95)) if len(millimetres) else float("nan"),
        levels=levels.tolist(),
        level_confusions=int(levels.sum() - np.trace(levels)),
        side_swaps=_side_swaps(condition, found.world, marked.world),
    )


def _place(points: pd.DataFrame, studies: Sequence[Study]) -> _Placed:
    rows = {study.study_id: row for row, study in enumerate(studies)}
    shape = (len(studies), len(TARGETS))
    placed = _Placed(np.full(shape, -1), np.full(shape, -1), np.full((*shape, 3), np.nan))
    columns = [points[name] for name in POINT_COLUMNS]
    for study_id, series_id, instance, condition, level, x, y in zip(*columns, strict=True):
        row = rows.get(int(study_id))
        if row is None:
            continue
        try:
            series = studies[row].get(int(series_id))
            index = series.index_of(int(instance))
        except KeyError:
            continue
        target = POINT_TARGET_INDEX[condition, level]
        placed.series[row, target], placed.slices[row, target] = int(series_id), index
        placed.world[row, target] = series.plane(index).to_world((x, y))
    return placed


def _in_plane_mm(found: _Placed, marked: _Placed, studies: Sequence[Study]) -> FloatArray:
    """(N, 25) mm from the true point to the found one's foot on the true point's plane; NaN unless both are there."""
    distances = np.full(found.slices.shape, np.nan)
    for row, target in zip(*np.nonzero(found.known & marked.known), strict=True):
        plane = studies[row].get(int(marked.series[row, target])).plane(int(marked.slices[row, target]))
        offset = found.world[row, target] - marked.world[row, target]
        distances[row, target] = np.hypot(offset @ plane.along_x, offset @ plane.along_y)
    return distances


def _nearest_levels(condition: str, found: FloatArray, marked: FloatArray) -> NDArray[np.int64]:
    """(5, 5) counts of meant level by the level of the nearest true point of the same study, condition and side."""
    counts = np.zeros((len(LEVELS), len(LEVELS)), dtype=np.int64)
    for side in {target.side for target in TARGETS if target.condition == condition}:
        own = [i for i, target in enumerate(TARGETS) if (target.condition, target.side) == (condition, side)]
        distances = np.linalg.norm(found[:, own, None] - marked[:, None, own], axis=-1)  # (N, found 5, true 5)
        for level in range(len(LEVELS)):
            judged = ~np.isnan(distances[:, level, level])
            nearest = np.nanargmin(distances[judged, level], axis=1)
            np.add.at(counts[level], nearest, 1)
    return counts


def _side_swaps(condition: str, found: FloatArray, marked: FloatArray) -> int:
    """Points that lie nearer to the other side's true point of their level, across the patient."""
    index = {(target.side, target.level): i for i, target in enumerate(TARGETS) if target.condition == condition}
    swaps = 0
    for (side, level), own in index.items():
        other = index.get(({"left": "right", "right": "left"}.get(str(side)), level))
        if other is None:
            continue
        to_own = np.abs(found[:, own, 0] - marked[:, own, 0])
        to_other = np.abs(found[:, own, 0] - marked[:, other, 0])
        swaps += int((to_other < to_own).sum())  # NaN is never smaller
    return swaps
