"""What stage 1 looks for on sagittal series: the canal and the foramina, and how a series is shown for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.imaging.study import Series, Study
from bench.targets import LEVELS, SAGITTAL_T1, SAGITTAL_T2, indices
from bench.training.stacks import Stack

CANAL, FORAMINA = "canal", "foramina"


@dataclass(frozen=True, slots=True)
class View:
    """Targets that are found in one pass over a series, and whether its slices are shown in reverse."""

    targets: tuple[int, ...]
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Structure:
    """The canal, or the foramina.

    Attributes:
        name: ``canal`` or ``foramina``.
        description: the kind of series that shows it.
        views: the passes over a series that find all its targets.
        symmetric: whether training may show the slices in either order.
    """

    name: str
    description: str
    views: tuple[View, ...]
    symmetric: bool = False

    @property
    def targets(self) -> tuple[int, ...]:
        """Indices into TARGETS, in the order of the views."""
        return tuple(target for view in self.views for target in view.targets)

    @property
    def sides(self) -> tuple[View, ...]:
        """What lies on one slice: all levels of the canal, or of the foramina of one side."""
        count = len(LEVELS)
        return tuple(
            View(view.targets[start : start + count], view.reverse)
            for view in self.views
            for start in range(0, len(view.targets), count)
        )


def structures(mirror: bool) -> dict[str, Structure]:
    """Canal and foramina by name. With ``mirror`` a left foramen is shown as a right one, its slices in reverse."""
    left, right = indices("foraminal", "left"), indices("foraminal", "right")
    views = (View(left, reverse=True), View(right)) if mirror else (View(left + right),)
    return {
        CANAL: Structure(CANAL, SAGITTAL_T2, (View(indices("spinal")),), symmetric=mirror),
        FORAMINA: Structure(FORAMINA, SAGITTAL_T1, views),
    }


def views_of(study: Study, structure: Structure) -> list[tuple[Stack, View]]:
    """The passes over the study's main series of the structure's kind; none where it has no such series."""
    series = study.main_series(structure.description)
    return [] if series is None else [(Stack(series, view.reverse), view) for view in structure.views]


def usual_slice(side: View, series: Series) -> int:
    """Where the structure usually lies in a series from right to left, by the write-up: 1/2, 2/3 or 1/3 of it."""
    first = side.targets[0]
    fraction = 1 / 2 if first in indices("spinal") else 2 / 3 if first in indices("foraminal", "left") else 1 / 3
    return min(len(series) - 1, int(len(series) * fraction))


def on_series(
    series: Series, targets: tuple[int, ...], keypoints_series: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(P,) which targets are marked on a series, and their values (P, ...) with NaN elsewhere."""
    here = keypoints_series[list(targets)] == series.series_id
    chosen = values[list(targets)].astype(np.float64)
    return here, np.where(here.reshape(-1, *(1,) * (chosen.ndim - 1)), chosen, np.nan)
