"""Which slices of a study are shown: ordered in the patient, without near-duplicates, evenly spaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.imaging.study import Series, Study
from bench.targets import AXIAL_T2, SAGITTAL_T1, SAGITTAL_T2

from .scan_config import Scan

KINDS = (SAGITTAL_T2, SAGITTAL_T1, AXIAL_T2)
"""The types of scan in the order of the sequence, as published."""

SliceRef = tuple[Series, int]
"""A series and the index of a slice in it, in anatomical order."""


def choose_slices(study: Study, description: str, scan: Scan) -> list[SliceRef]:
    """The slices of one type of scan: sagittal from patient right to left, axial from head to foot.

    Of several sagittal series the one with most slices is taken; axial slices are those of all series together.
    """
    if description == AXIAL_T2:
        slices = axial_slices(study)
    else:
        main = study.main_series(description)
        slices = [] if main is None else [(main, index) for index in range(len(main))]
    slices = _within(slices, description, scan.within_mm)
    return [slices[index] for index in evenly_spaced(len(slices), scan.slices, scan.spacing)]


def axial_slices(study: Study) -> list[SliceRef]:
    """All axial slices from head to foot, without those nearer to the one above than half the thinnest slice.

    The height is that of a slice's middle: ImagePositionPatient, which the write-up uses, is that of a corner, and
    moves with the slice's tilt.
    """
    slices = [(series, index) for series in study.axial_t2 for index in range(len(series))]
    if not slices:
        return []
    heights = np.array([slice_centre(*one)[2] for one in slices])
    thinnest = np.nanmin([*(series.thickness_mm for series in study.axial_t2), np.inf])
    closest = thinnest / 2 if np.isfinite(thinnest) else 0.0
    kept: list[int] = []
    for index in np.argsort(-heights, kind="stable"):
        if not kept or heights[kept[-1]] - heights[index] >= closest:
            kept.append(int(index))
    return [slices[index] for index in kept]


def evenly_spaced(count: int, wanted: int, spacing: Literal["published", "centred"]) -> NDArray[np.int64]:
    """Indices of ``wanted`` of ``count`` slices; all of them where there are no more.

    With step = count / wanted, centred ones are the middles of ``wanted`` equal parts. Published ones start at
    count / 2 - (wanted / 2 - 1) * step, half a step later.
    """
    if count <= wanted:
        return np.arange(count)
    step = count / wanted
    if spacing == "centred":
        return np.floor((np.arange(wanted) + 0.5) * step).astype(np.int64)
    start = count / 2 - (wanted / 2 - 1) * step
    places = np.floor(start + np.arange(wanted) * step - 0.50001).astype(np.int64)
    return np.clip(places, 0, count - 1)


def slice_centre(series: Series, index: int) -> NDArray[np.float64]:
    """(3,) the middle of a slice in the patient, mm."""
    height, width = series.shapes[index]
    return series.plane(index).to_world([(width - 1) / 2, (height - 1) / 2])


def _within(slices: Sequence[SliceRef], description: str, within_mm: float | None) -> list[SliceRef]:
    if within_mm is None or not slices:
        return list(slices)
    axis = 2 if description == AXIAL_T2 else 0
    places = np.array([slice_centre(*one)[axis] for one in slices])
    near = np.abs(places - (places.min() + places.max()) / 2) <= within_mm
    return [one for one, kept in zip(slices, near, strict=True) if kept] or [slices[len(slices) // 2]]
