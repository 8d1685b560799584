"""The eight images of a study that the localiser sees: Sagittal T2, Sagittal T1 right and left, axial per level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.data.keypoints import Keypoints
from bench.imaging.study import Series, Study
from bench.targets import AXIAL_T2, LEVELS, SAGITTAL_T1, SAGITTAL_T2, indices

Slot = tuple[str, str | None, str]
"""What a slice is selected for: series description, side of a Sagittal T1 slice or None, level."""


@dataclass(frozen=True, slots=True)
class View:
    """One of the eight images.

    Attributes:
        kind: series description.
        targets: indices into TARGETS of the points on it, in the order of the localiser's outputs: levels from the top
            on sagittal images, right then left recess on axial ones.
        slots: the slices that are selected for it.
        left: whether it shows the patient's left foramina.
    """

    kind: str
    targets: tuple[int, ...]
    slots: tuple[Slot, ...]
    left: bool = False


def _sagittal(kind: str, condition: str, side: str | None) -> View:
    slots = tuple((kind, side, level) for level in LEVELS)
    return View(kind, indices(condition, side), slots, side == "left")


def _axial(level: int) -> View:
    pair = tuple(indices("subarticular", side)[level] for side in ("right", "left"))
    return View(AXIAL_T2, pair, ((AXIAL_T2, None, LEVELS[level]),))


VIEWS: tuple[View, ...] = (
    _sagittal(SAGITTAL_T2, "spinal", None),
    _sagittal(SAGITTAL_T1, "foraminal", "right"),
    _sagittal(SAGITTAL_T1, "foraminal", "left"),
    *(_axial(level) for level in range(len(LEVELS))),
)
SAGITTAL_VIEWS = tuple(index for index, view in enumerate(VIEWS) if view.kind != AXIAL_T2)
AXIAL_VIEWS = tuple(index for index, view in enumerate(VIEWS) if view.kind == AXIAL_T2)
POINTS_PER_VIEW = {SAGITTAL_T2: 5, SAGITTAL_T1: 5, AXIAL_T2: 2}


@dataclass(frozen=True, slots=True, eq=False)
class MarkedView:
    """A view of a study with annotators' points.

    Attributes:
        view: index into VIEWS.
        series: the series that most of its points are marked on.
        candidates: (C,) indices of the marked slices, of which training takes one at random.
        pixels: (P, 2) the points on that series, NaN where there is none.
    """

    view: int
    series: Series
    candidates: NDArray[np.int64]
    pixels: NDArray[np.float64]


def marked_views(study: Study, keypoints: Keypoints, row: int) -> list[MarkedView]:
    """The views of a study that have at least one point."""
    found = []
    for index, view in enumerate(VIEWS):
        targets = list(view.targets)
        series = keypoints.series[row, targets]
        marked = keypoints.slices[row, targets] >= 0
        if not marked.any():
            continue
        ids, counts = np.unique(series[marked], return_counts=True)
        here = marked & (series == ids[np.argmax(counts)])
        pixels = np.where(here[:, None], keypoints.pixels[row, targets], np.nan)
        candidates = np.unique(keypoints.slices[row, targets][here])
        found.append(MarkedView(index, study.get(int(ids[np.argmax(counts)])), candidates, pixels))
    return found


def trained_targets(keypoints: Keypoints) -> NDArray[np.bool_]:
    """(25,) targets that a localiser trained on these points can find; no other is located.

    Both foramina of a level share an output, and so do the recesses of one side at all levels.
    """
    known: NDArray[np.bool_] = np.array(keypoints.known.any(axis=0))
    left, right = (list(indices("foraminal", side)) for side in ("left", "right"))
    known[left] = known[right] = known[left] | known[right]
    for side in ("left", "right"):
        recesses = list(indices("subarticular", side))
        known[recesses] = known[recesses].any()
    return known
