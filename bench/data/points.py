"""Points of the coordinate table on the slices that there are: those that cannot be used are named and left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench.imaging.faults import Fault
from bench.imaging.layout import IMAGES
from bench.imaging.study import Study
from bench.targets import POINT_TARGET_INDEX, TARGETS

_ABSENT = "absent"
_POINTS_LEFT_OUT = "these points are left out; their labels stay"


def place_points(points: pd.DataFrame, studies: tuple[Study, ...]) -> tuple[pd.DataFrame, list[Fault]]:
    """The points that can be used, and a fault for every series with others.

    A point is left out where its slice is not there, its series is of another kind than its condition is marked on, or
    it lies outside its image.
    """
    slices = {
        (series.series_id, number): (series.description, shape)
        for study in studies
        for series in study.series
        for number, shape in zip(series.instance_numbers.tolist(), map(tuple, series.shapes.tolist()), strict=True)
    }
    points = points[points["study_id"].isin({study.study_id for study in studies})]
    reasons = pd.Series([_reason(row, slices) for row in points.itertuples()], index=points.index, dtype=object)
    key = ["study_id", "series_id"]
    faults = [_fault_of_points(group) for _, group in points[reasons == _ABSENT].groupby(key)]
    wrong = points[reasons.notna() & (reasons != _ABSENT)]
    faults += [_fault_of_places(group, reasons[group.index[0]]) for _, group in wrong.groupby(key)]
    return points[reasons.isna()].reset_index(drop=True), faults


def _reason(row: Any, slices: Mapping[tuple[int, int], tuple[str, tuple[int, int]]]) -> str | None:
    """Why the point of a table row cannot be used; None if it can."""
    found = slices.get((row.series_id, row.instance_number))
    if found is None:
        return _ABSENT
    return misplaced(POINT_TARGET_INDEX[row.condition, row.level], row.series_id, *found, (row.x, row.y))


def _fault_of_places(points: pd.DataFrame, reason: str) -> Fault:
    """The fault of the points of one series that cannot be where they are; the reason is that of the first."""
    first = points.iloc[0]
    more = f" (and {len(points) - 1} more of its points)" if len(points) > 1 else ""
    what = f"carries the point of {first['condition']} {first['level']}, but {reason}{more}"
    study_id, series_id = int(first["study_id"]), int(first["series_id"])
    path = f"{IMAGES}/{study_id}/{series_id}/{first['instance_number']}.dcm"
    return Fault(path, what, _POINTS_LEFT_OUT, study_id, series_id)


def _fault_of_points(points: pd.DataFrame) -> Fault:
    """The fault of the points of one series whose slices are not there."""
    study_id, series_id = int(points["study_id"].iloc[0]), int(points["series_id"].iloc[0])
    path, slices = f"{IMAGES}/{study_id}/{series_id}", sorted(set(points["instance_number"]))
    targets = [f"{condition} {level}" for condition, level in zip(points["condition"], points["level"], strict=True)]
    named = f"the point of {targets[0]}" if len(targets) == 1 else f"{len(targets)} points ({targets[0]} and others)"
    where = f"{path}/{slices[0]}.dcm" if len(slices) == 1 else path
    what = f"carries {named}, but is absent or unusable"
    if len(slices) > 1:
        what = f"carries {named} on slices {', '.join(map(str, slices))}, which are absent or unusable"
    return Fault(where, what, _POINTS_LEFT_OUT, study_id, series_id)


def misplaced(
    target: int, series_id: int, description: str, shape: tuple[int, int], pixel: tuple[float, float]
) -> str | None:
    """Why a point cannot be right on its slice, which has ``shape`` (rows, columns): the kind of series, or its place.

    None if it can.
    """
    if description != TARGETS[target].point_series:
        return f"series {series_id} is {description}, not {TARGETS[target].point_series}"
    (height, width), (x, y) = shape, pixel
    if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
        return f"({x:.1f}, {y:.1f}) lies outside the {width} x {height} image"
    return None
