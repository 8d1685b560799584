"""Crops of several streams side by side: which study and target each belongs to, and the map that cuts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.imaging.study import Series, Study
from bench.targets import AXIAL_T2
from bench.training.windows import Unit, Window, around_all, axis_signs, pixels_per_unit

from .streams import Places, Stream, levels


class SliceGeometry:
    """What the windows need of slices, looked up once per slice."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, Unit], tuple[NDArray[np.float64], int]] = {}

    def of(
        self, series: Sequence[Series], slices: NDArray[np.int64], unit: Unit
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(n, 3, 2) signs of the axes, pixels per unit and mm per pixel; (n,) index of the last slice."""
        found = [self._slice(one, int(index), unit) for one, index in zip(series, slices, strict=True)]
        if not found:
            return np.zeros((0, 3, 2)), np.zeros(0, np.int64)
        return np.array([geometry for geometry, _ in found]), np.array([last for _, last in found])

    def _slice(self, series: Series, index: int, unit: Unit) -> tuple[NDArray[np.float64], int]:
        key = series.series_id, index, unit
        if key not in self._known:
            geometry = axis_signs(series, index), pixels_per_unit(series, index, unit), series.spacings[index]
            self._known[key] = np.array(geometry), len(series) - 1
        return self._known[key]


@dataclass(frozen=True, slots=True, eq=False)
class CropPlaces:
    """n crops of one stream, study by study.

    Attributes:
        stream: which.
        window: of the stream.
        there: (B, 25) which targets have a crop.
        sources: (n,) the target at whose place each is cut.
        rows: (n,) of the studies, among all.
        series, slices: (n,) where the points lie.
        pixels: (n, 2) the points.
        left, turned: (n,) whether the crop shows the patient's left side, and whether the study is mirrored.
        geometry: (n, 3, 2) see `SliceGeometry`.
        last: (n,) index of the series' last slice.
    """

    stream: Stream
    window: Window
    there: NDArray[np.bool_]
    sources: NDArray[np.int64]
    rows: NDArray[np.int64]
    series: NDArray[np.int64]
    slices: NDArray[np.int64]
    pixels: NDArray[np.float64]
    left: NDArray[np.bool_]
    turned: NDArray[np.bool_]
    geometry: NDArray[np.float64]
    last: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        stream: Stream,
        window: Window,
        where: Places,
        sources: NDArray[np.int64],
        rows: NDArray[np.int64],
        studies: Sequence[Study],
        turned: NDArray[np.bool_],
        known: SliceGeometry,
    ) -> CropPlaces:
        """The crops of a stream.

        Args:
            stream, window: which, and what it shows.
            where: (B, 25) the points.
            sources: (B, 25) the targets that these are the points of.
            rows: (B,) of the studies, among all.
            studies: all.
            turned: (B,) studies that are mirrored.
            known: geometry.
        """
        there = where.present
        study, _ = np.nonzero(there)
        series = where.series[there]
        which = [studies[row].get(int(one)) for row, one in zip(rows[study], series, strict=True)]
        slices = where.slices[there]
        geometry, last = known.of(which, slices, window.unit)
        left = where.left[there]
        return cls(
            stream, window, there, sources[there], rows[study], series, slices, where.pixels[there].copy(), left,
            turned[study], geometry, last,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.series)

    def moved(self, slices: NDArray[np.int64], offsets_mm: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        """Slices (n,) moved by so many, and points (n, 2) moved by mm along the axes that are shown."""
        pixels = self.pixels + offsets_mm * self.geometry[:, 0] / self.geometry[:, 2]
        return np.clip(self.slices + slices, 0, self.last), pixels

    def flips(self, mirror: bool) -> NDArray[np.bool_]:
        """(n,) which are shown the other way round: left ones, to look like right ones, and all of mirrored studies."""
        return (self.left & mirror) ^ self.turned

    def matrices(self, pixels: NDArray[np.float64], flips: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(n, 2, 3) maps that cut the windows around points. Sagittal images themselves are never flipped."""
        axial = self.stream.kind == AXIAL_T2
        return around_all(
            pixels, self.geometry[:, 0], self.geometry[:, 1], self.window, axial=axial,
            levels=levels(self.sources), left=self.left, flip=flips & axial,
        )  # fmt: skip

    def steps(self, flips: NDArray[np.bool_]) -> NDArray[np.int64]:
        """(n,) 1, or -1 where neighbouring slices are shown in reverse."""
        return np.where(flips & (self.stream.kind != AXIAL_T2), -1, 1)


def joined(parts: Sequence[NDArray]) -> NDArray:
    """The parts of all streams, one after the other."""
    return np.concatenate(list(parts))
