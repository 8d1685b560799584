"""Studies and series: their slices and the geometry in patient space. For pixels see `volumes`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.imaging.geometry import FloatArray, Plane
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Series:
    """One MR series, its slices in anatomical order: sagittal from patient right to left, axial from head to foot.

    Instance order is not that order (36 % of the competition's studies run the other way), so it is taken from
    ImagePositionPatient along the slice normal.

    Attributes:
        study_id: the study it belongs to.
        series_id: the series' number, unique within the data set.
        description: one of `bench.targets.SERIES_DESCRIPTIONS`.
        instance_numbers: (S,) DICOM instance numbers, the file names of the competition.
        positions: (S, 3) world coordinates of each slice's first pixel, mm.
        orientations: (S, 2, 3) unit vectors along which columns and rows grow.
        spacings: (S, 2) mm between columns and between rows.
        shapes: (S, 2) rows and columns of each slice as the file has them.
        thickness_mm: nominal slice thickness, NaN if the files do not give it.
        assumptions: notes on what was assumed or repaired.
    """

    study_id: int
    series_id: int
    description: str
    instance_numbers: IntArray
    positions: FloatArray
    orientations: FloatArray
    spacings: FloatArray
    shapes: IntArray
    thickness_mm: float = float("nan")
    assumptions: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.instance_numbers)

    def __repr__(self) -> str:
        rows, columns = self.shapes.max(axis=0) if len(self) else (0, 0)
        size = f"{len(self)} slices of {rows} x {columns} pixels"
        return f"Series({self.series_id} of study {self.study_id}: {self.description}, {size})"

    def plane(self, index: int) -> Plane:
        """The plane of the slice at ``index`` in anatomical order."""
        along_x, along_y = self.orientations[index]
        return Plane(self.positions[index], along_x, along_y, self.spacings[index])

    def index_of(self, instance_number: int) -> int:
        """The index of an instance number in anatomical order. Raises KeyError if it is absent."""
        found = np.flatnonzero(self.instance_numbers == instance_number)
        if not len(found):
            raise KeyError(f"series {self.series_id} has no slice with instance number {instance_number}")
        return int(found[0])

    def nearest_slice(self, world: ArrayLike) -> tuple[int, float]:
        """The slice whose plane passes nearest to a world point (3,), and that distance in mm."""
        distances = np.abs(self.distances(world))
        index = int(np.argmin(distances))
        return index, float(distances[index])

    def distances(self, world: ArrayLike) -> FloatArray:
        """Signed distances (S,) in mm of a world point (3,) from every slice's plane."""
        normals = np.cross(self.orientations[:, 0], self.orientations[:, 1])
        return np.einsum("sk,sk->s", np.asarray(world, dtype=np.float64) - self.positions, normals)


class SliceAt(NamedTuple):
    """One slice of a series, and how far its plane passes from a point, in mm."""

    series: Series
    slice_index: int
    distance_mm: float


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True, repr=False)
class Study:
    """One patient's examination.

    Attributes:
        study_id: the study's number.
        series: all readable series, by description and then series id.
        notes: on what is missing or was repaired.
    """

    study_id: int
    series: tuple[Series, ...]
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        kinds = ", ".join(f"{series.description} of {len(series)} slices" for series in self.series)
        return f"Study({self.study_id}: {kinds or 'no series'})"

    def of(self, description: str) -> tuple[Series, ...]:
        """All series of one kind, such as ``Axial T2``: none, one or several."""
        return tuple(series for series in self.series if series.description == description)

    @property
    def sagittal_t1(self) -> tuple[Series, ...]:
        """The Sagittal T1 series."""
        return self.of(SAGITTAL_T1)

    @property
    def sagittal_t2(self) -> tuple[Series, ...]:
        """The Sagittal T2/STIR series."""
        return self.of(SAGITTAL_T2)

    @property
    def axial_t2(self) -> tuple[Series, ...]:
        """The Axial T2 series; about one study in four has several."""
        return self.of(AXIAL_T2)

    def main_series(self, description: str) -> Series | None:
        """The series of a kind with most slices, of equal ones the first; None if there is none."""
        return max(self.of(description), key=len, default=None)

    def nearest_slice(self, world: ArrayLike, description: str) -> SliceAt | None:
        """The slice nearest to a world point (3,) over all series of one kind; None if there is no such series.

        Frames of reference are not compared: the competition's data are anonymised per series although their
        coordinates agree.
        """
        candidates = [SliceAt(series, *series.nearest_slice(world)) for series in self.of(description)]
        return min(candidates, key=lambda candidate: candidate.distance_mm, default=None)

    def slices_within(self, world: ArrayLike, description: str, distance_mm: float) -> list[SliceAt]:
        """Every slice of one kind whose plane passes within a distance of a world point (3,), the nearest first."""
        found = [
            SliceAt(series, index, float(distance))
            for series in self.of(description)
            for index, distance in enumerate(np.abs(series.distances(world)))
            if distance <= distance_mm
        ]
        return sorted(found, key=lambda one: one.distance_mm)

    def get(self, series_id: int) -> Series:
        """The series with this id. Raises KeyError if the study has none."""
        for series in self.series:
            if series.series_id == series_id:
                return series
        raise KeyError(f"study {self.study_id} has no series {series_id}")
