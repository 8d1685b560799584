"""Keypoints as arrays: for each study and target the series, slice and pixel, marked or located."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.data.cohort import Cohort
from bench.data.points import misplaced
from bench.imaging.study import Study
from bench.targets import POINT_COLUMNS, POINT_TARGET_INDEX, TARGETS

ABSENT = -1
Note = Callable[[int, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """Points of N studies.

    Attributes:
        series: (N, 25) series ids, `ABSENT` where there is no point.
        slices: (N, 25) index of the slice in anatomical order, `ABSENT` where there is no point.
        pixels: (N, 25, 2) x and y in the slice's pixels, NaN where there is no point.
    """

    series: NDArray[np.int64]
    slices: NDArray[np.int64]
    pixels: NDArray[np.float64]

    @classmethod
    def none(cls, studies: int) -> Self:
        """No point anywhere."""
        shape = (studies, len(TARGETS))
        return cls(np.full(shape, ABSENT), np.full(shape, ABSENT), np.full((*shape, 2), np.nan))

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N, 25) where there is a point."""
        return self.slices != ABSENT

    def set(self, study: int, target: int, series_id: int, index: int, pixel: Sequence[float] | NDArray) -> None:
        """Put a point."""
        self.series[study, target] = series_id
        self.slices[study, target] = index
        self.pixels[study, target] = pixel

    def completed_by(self, other: Keypoints) -> Self:
        """These points, and the other's where there is none."""
        known = self.known
        return type(self)(
            np.where(known, self.series, other.series),
            np.where(known, self.slices, other.slices),
            np.where(known[..., None], self.pixels, other.pixels),
        )

    def world(self, studies: Sequence[Study]) -> NDArray[np.float64]:
        """(N, 25, 3) the points in the patient, mm; NaN where there is none."""
        world = np.full((*self.series.shape, 3), np.nan)
        for row, target in zip(*np.nonzero(self.known), strict=True):
            series = studies[row].get(int(self.series[row, target]))
            world[row, target] = series.plane(int(self.slices[row, target])).to_world(self.pixels[row, target])
        return world

    def table(self, studies: Sequence[Study]) -> pd.DataFrame:
        """The points in the format of ``train_label_coordinates.csv``."""
        rows = []
        for row, target in zip(*np.nonzero(self.known), strict=True):
            series_id, index = int(self.series[row, target]), int(self.slices[row, target])
            instance = int(studies[row].get(series_id).instance_numbers[index])
            words = TARGETS[target].condition_words, TARGETS[target].level_words
            rows.append((studies[row].study_id, series_id, instance, *words, *self.pixels[row, target]))
        return pd.DataFrame(rows, columns=list(POINT_COLUMNS))


def read_keypoints(cohort: Cohort, note: Note) -> Keypoints:
    """The cohort's points. One that cannot be used is left out and noted: its series or slice is absent, or of another
    kind than its condition is marked on, or it lies outside its image."""
    keypoints = Keypoints.none(len(cohort))
    if cohort.points is None:
        return keypoints
    rows = {study.study_id: row for row, study in enumerate(cohort.studies)}
    columns = [cohort.points[name] for name in POINT_COLUMNS]
    for study_id, series_id, instance, condition, level, x, y in zip(*columns, strict=True):
        if study_id not in rows:
            continue
        target = POINT_TARGET_INDEX[condition, level]
        study = cohort.studies[rows[study_id]]
        place = _place(study, target, int(series_id), int(instance), float(x), float(y))
        if isinstance(place, str):
            note(int(study_id), f"point of {TARGETS[target].name} left out: {place}")
        else:
            keypoints.set(rows[study_id], target, int(series_id), place, (x, y))
    return keypoints


def _place(study: Study, target: int, series_id: int, instance: int, x: float, y: float) -> int | str:
    """The index of a point's slice, or why the point cannot be used."""
    try:
        series = study.get(series_id)
        index = series.index_of(instance)
    except KeyError as error:
        return str(error.args[0])
    height, width = series.shapes[index]
    reason = misplaced(target, series_id, series.description, (int(height), int(width)), (x, y))
    return index if reason is None else reason
