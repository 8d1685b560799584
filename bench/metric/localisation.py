"""Localisation errors: predicted points compared with the annotators', by condition.

Errors are measured in slices and in mm within the slice, as by the competition's first place. A point is at the wrong
level or side if the true point of another level or side is nearer in patient space.
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
        true: number of annotators' points on a readable slice.
        found: number of these targets for which the approach predicted a point.
        slices_off: slice errors of predicted points on the annotator's series.
        distances_mm: distances of all predicted points within the plane of the annotator's slice.
        levels: (5, 5) counts of points by predicted level (row) and level of the nearest true point (column).
        side_swaps: number of points nearer to the true point of the other side.
    """

    true: int
    found: int
    slices_off: list[int]
    distances_mm: list[float]
    levels: list[list[int]]
    side_swaps: int

    @property
    def same_series(self) -> int:
        """Number of points on the annotator's series; slices are only compared there."""
        return len(self.slices_off)

    @property
    def exact(self) -> float:
        """Share of these on the annotator's slice; NaN where there are none."""
        return self._share(0)

    @property
    def off_by_one(self) -> float:
        """Share of these one slice off."""
        return self._share(1)

    @property
    def off_by_two(self) -> float:
        """Share of these two slices off."""
        return self._share(2)

    @property
    def further(self) -> float:
        """Share of these more than two slices off."""
        return sum(slices > 2 for slices in self.slices_off) / self.same_series if self.slices_off else float("nan")

    @property
    def within_one(self) -> float:
        """Share of these on the annotator's slice or the next one."""
        return self.exact + self.off_by_one

    @property
    def median_mm(self) -> float:
        """Median of `distances_mm`; NaN where there are none."""
        return float(np.median(self.distances_mm)) if self.distances_mm else float("nan")

    @property
    def percentile_95_mm(self) -> float:
        """95th percentile of `distances_mm`; NaN where there are none."""
        return float(np.percentile(self.distances_mm, 95)) if self.distances_mm else float("nan")

    @property
    def level_confusions(self) -> int:
        """Number of points nearest to the true point of another level."""
        return int(np.sum(self.levels) - np.trace(self.levels))

    def document(self) -> dict[str, Any]:
        """The counts and shares for JSON; None for a share of nothing."""
        names = ("same_series", "exact", "off_by_one", "off_by_two", "further", "within_one", "median_mm")
        values = {name: getattr(self, name) for name in (*names, "percentile_95_mm", "level_confusions")}
        whole = {name: None if np.isnan(value) else value for name, value in values.items()}
        return whole | asdict(self) | {"distances_mm": [round(distance, 3) for distance in self.distances_mm]}

    def _share(self, slices: int) -> float:
        return self.slices_off.count(slices) / len(self.slices_off) if self.slices_off else float("nan")


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
        predicted: the approach's points.
        true: the annotators' points; those on a series or slice that the study lacks are left out.
        studies: the studies to compare; points of others are ignored.

    Returns:
        By condition: ``spinal``, ``foraminal``, ``subarticular``.
    """
    found, marked = _place(predicted, studies), _place(true, studies)
    in_plane = _in_plane_mm(found, marked, studies)
    return {condition: _judge(condition, found, marked, in_plane) for condition in CONDITIONS}


def document(judged: Mapping[str, ConditionLocalisation]) -> dict[str, Any]:
    """What `judge_points` returned as a JSON document."""
    return {"schema_version": SCHEMA_VERSION, **{name: one.document() for name, one in judged.items()}}


def pooled(documents: Sequence[Mapping[str, Any]]) -> dict[str, ConditionLocalisation]:
    """The documents of several jobs pooled over their studies."""
    return {condition: _pool([document[condition] for document in documents]) for condition in CONDITIONS}


def _pool(parts: Sequence[Mapping[str, Any]]) -> ConditionLocalisation:
    return ConditionLocalisation(
        true=sum(part["true"] for part in parts),
        found=sum(part["found"] for part in parts),
        slices_off=[slices for part in parts for slices in part["slices_off"]],
        distances_mm=[distance for part in parts for distance in part["distances_mm"]],
        levels=np.sum([part["levels"] for part in parts], axis=0).tolist(),
        side_swaps=sum(part["side_swaps"] for part in parts),
    )


def _judge(condition: str, found: _Placed, marked: _Placed, in_plane: FloatArray) -> ConditionLocalisation:
    own = np.array([target.condition == condition for target in TARGETS])
    true, both = marked.known[:, own], (marked.known & found.known)[:, own]
    same = both & (marked.series == found.series)[:, own]
    return ConditionLocalisation(
        true=int(true.sum()),
        found=int(both.sum()),
        slices_off=np.abs(found.slices - marked.slices)[:, own][same].tolist(),
        distances_mm=in_plane[:, own][both].tolist(),
        levels=_nearest_levels(condition, found.world, marked.world).tolist(),
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
