"""Where pixels come from: from a study and a target to a small square crop."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.data.cohort import Cohort
from bench.imaging.study import Study
from bench.imaging.volumes import Volumes
from bench.targets import POINT_TARGET_INDEX, TARGETS

MIDDLE = 0.5


def mean_places(train: Cohort) -> NDArray[np.float64]:
    """(25, 3) where annotators click for each target: slice, x and y, each as a fraction of the series' extent.

    `predict` gets no points, so a place has to be learnt. This takes the median over the training studies; a network
    that finds the place in each study does better.
    """
    found: list[list[list[float]]] = [[] for _ in TARGETS]
    studies = {study.study_id: study for study in train.studies}
    points = pd.DataFrame() if train.points is None else train.points
    for point in points.to_dict("records"):
        # A point names its series and its slice. `index_of` turns the DICOM instance number into the index in
        # anatomical order: instance order runs the other way in a third of the studies, so never use it as an index.
        series = studies[point["study_id"]].get(point["series_id"])
        index = series.index_of(point["instance_number"])
        height, width = series.shapes[index]
        place = [index / max(len(series) - 1, 1), point["x"] / width, point["y"] / height]
        found[POINT_TARGET_INDEX[point["condition"], point["level"]]].append(place)
    return np.array([np.median(places, axis=0) if places else [MIDDLE] * 3 for places in found])


def crop(
    study: Study, volumes: Volumes, kind: str, place: NDArray[np.float64], crop_mm: float, pixels: int
) -> NDArray[np.float32] | None:
    """(pixels, pixels) a square around a place, intensities mostly in 0..1; None if the study lacks such a series.

    Args:
        study: series, slices and geometry.
        volumes: the pixels.
        kind: "Sagittal T1", "Sagittal T2/STIR" or "Axial T2".
        place: (3,) slice, x and y as fractions.
        crop_mm: side of the square in the patient.
        pixels: side of the square in the result.
    """
    # `study.of(kind)` lists all series of a kind: none, one, or several. This takes the one with most slices.
    series = study.main_series(kind)
    if series is None:
        return None
    # (S, H, W), slices from the patient's right to left (sagittal) or from head to foot (axial).
    stack = volumes.array(series.series_id)
    index = round(place[0] * (len(series) - 1))
    height, width = series.shapes[index]
    # Spacing differs between studies, so a crop of so many pixels would show more of one patient than of another.
    # `spacings` are mm between columns, and between rows. `series.plane(index)` maps pixels to the patient and back.
    mm_per_column, mm_per_row = series.spacings[index]
    offsets = (np.arange(pixels) + 0.5) / pixels - 0.5  # of the square's side
    columns = np.clip(np.rint(place[1] * width + offsets * crop_mm / mm_per_column), 0, width - 1).astype(int)
    rows = np.clip(np.rint(place[2] * height + offsets * crop_mm / mm_per_row), 0, height - 1).astype(int)
    # Scanners have units of their own: `window` gives the 1st and 99th percentile of each slice.
    low, high = volumes.window(series.series_id)[index]
    square = np.asarray(stack[index])[np.ix_(rows, columns)].astype(np.float32)
    return (square - low) / max(high - low, 1)
