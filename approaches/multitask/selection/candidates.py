"""What the classifiers see of a slice: its features, how they differ from the rest of its stack, and where it lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.imaging.study import Series, SliceAt, Study
from bench.targets import AXIAL_T2, LEVELS

from .features import StudyFeatures

Matrix = NDArray[np.float32]
_NEIGHBOURS = 4
SAGITTAL_PLACE = (
    "share of the stack",
    "mm from its middle",
    "distance from its middle",
    "slices",
    "symmetry",
    "mm from symmetry",
)
AXIAL_PLACE = ("mm from the level", "distance from the level", "rank by distance", "level", "share of the stack")


def sagittal_matrix(series: Series, features: StudyFeatures, side: str | None) -> Matrix:
    """(S, D) of a sagittal series; for the left side mirrored, so that it looks like the right one's."""
    own = features[series.series_id]
    middle = (len(series) - 1) / 2
    millimetres = lateral_mm(series)
    millimetres = millimetres - millimetres.mean()
    symmetry = _asymmetry(own)
    away = millimetres - millimetres[int(np.argmin(symmetry))]
    share = (np.arange(len(series)) - middle) / max(len(series), 1)
    sign = -1.0 if side == "left" else 1.0
    place = [
        sign * share,
        sign * millimetres,
        np.abs(millimetres),
        np.full(len(series), len(series)),
        symmetry,
        sign * away,
    ]
    return np.concatenate([_with_stack(own), np.stack(place, axis=1)], axis=1).astype(np.float32)


def axial_candidates(study: Study, position: NDArray[np.float64], reach_mm: float) -> list[SliceAt]:
    """The axial slices within reach of a level's place (3,), the nearest first."""
    return study.slices_within(position, AXIAL_T2, reach_mm)


def axial_matrix(
    study: Study,
    candidates: Sequence[SliceAt],
    position: NDArray[np.float64],
    level: int,
    features: StudyFeatures,
    noise_mm: float = 0.0,
) -> Matrix:
    """(C, D) of axial candidates. ``noise_mm``: by how much the level is taken to lie farther along the stack."""
    stacks = {one.series.series_id: _with_stack(features[one.series.series_id]) for one in candidates}
    away = [float(one.series.distances(position)[one.slice_index]) + noise_mm for one in candidates]
    rank = np.argsort(np.argsort(np.abs(away), kind="stable"), kind="stable")
    rows = []
    for number, one in enumerate(candidates):
        share = one.slice_index / max(len(one.series) - 1, 1)
        place = [away[number], abs(away[number]), rank[number], level / (len(LEVELS) - 1), share]
        rows.append(np.concatenate([stacks[one.series.series_id][one.slice_index], place]))
    return np.array(rows, dtype=np.float32)


def lateral_mm(series: Series) -> NDArray[np.float64]:
    """(S,) where the middle of each slice lies from the patient's right to left, mm."""
    middles = [
        series.plane(index).to_world(np.array([(columns - 1) / 2, (rows - 1) / 2]))[0]
        for index, (rows, columns) in enumerate(series.shapes)
    ]
    return np.array(middles, dtype=np.float64)


def _with_stack(features: Matrix) -> Matrix:
    """(S, 2 F) features, and the same in standard deviations from the stack's mean."""
    deviation = features.std(axis=0)
    scores = (features - features.mean(axis=0)) / np.where(deviation > 1e-6, deviation, 1)
    return np.concatenate([features, scores], axis=1)


def _asymmetry(features: Matrix) -> NDArray[np.float64]:
    """(S,) how much the slices on one side of each differ from those on the other: least in the body's middle."""
    deviation = features.std(axis=0)
    scores = features / np.where(deviation > 1e-6, deviation, 1)
    count = len(scores)
    values = np.full(count, np.inf)
    for index in range(count):
        steps = np.arange(1, min(index, count - 1 - index, _NEIGHBOURS) + 1)
        if len(steps) >= min(2, (count - 1) // 2):
            values[index] = np.abs(scores[index + steps] - scores[index - steps]).mean() if len(steps) else 0.0
    finite = values[np.isfinite(values)]
    worst = finite.max() if len(finite) else 0.0
    return np.where(np.isfinite(values), values, worst)
