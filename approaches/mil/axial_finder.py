"""Stage 1c: the left and right recess of each level, on the axial slice nearest to its sagittal point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.approach import Context
from bench.data.keypoints import Keypoints, Note
from bench.data.levels import axial_slices
from bench.imaging.study import Study
from bench.targets import TARGETS, indices

from .location_networks import AXIAL_NEIGHBOURS
from .point_finder import PointEnsemble, SliceView, find_points, note_untrained

CLOSE_MM = 12.0  # neighbouring discs lie about 30 mm apart
LEFT_RECESSES, RIGHT_RECESSES = indices("subarticular", "left"), indices("subarticular", "right")


@dataclass(frozen=True, slots=True, eq=False)
class LevelSlice:
    """The axial slice of a study's level."""

    row: int
    level: int
    view: SliceView


class AxialFinder:
    """Finds the recesses.

    Args:
        networks: the ensemble.
        trained: (25,) targets of which the training studies have points; no other is located.
        context: of the job.
    """

    def __init__(self, networks: PointEnsemble, trained: NDArray[np.bool_], context: Context) -> None:
        self.networks, self.trained, self.context = networks, trained, context

    def locate(self, studies: Sequence[Study], keypoints: Keypoints, note: Note) -> None:
        """Put the recesses into ``keypoints``, which hold the sagittal points."""
        shown = []
        for row, levels in enumerate(axial_slices(studies, keypoints, note)):
            if studies[row].axial_t2:
                note_untrained(studies[row], (*LEFT_RECESSES, *RIGHT_RECESSES), self.trained, note)
            for level, found in enumerate(levels):
                if found is not None:
                    shown.append(LevelSlice(row, level, SliceView(found.series, found.slice_index)))
        if not self.networks or not shown:
            return
        views = [one.view for one in shown]
        pixels = find_points(self.networks, views, self.context, neighbours=AXIAL_NEIGHBOURS)  # (B, 2, 2)
        for one, pair in zip(shown, pixels, strict=True):
            targets = LEFT_RECESSES[one.level], RIGHT_RECESSES[one.level]
            for target, pixel in zip(targets, pair, strict=True):
                if self.trained[target]:
                    keypoints.set(one.row, target, one.view.series.series_id, one.view.slice_index, pixel)


def note_crowded(studies: Sequence[Study], keypoints: Keypoints, note: Note) -> None:
    """Note neighbouring levels that were located within 12 mm of each other.

    The networks place all five levels, also one that is out of view.
    """
    world = keypoints.world(studies)
    for targets in (indices("spinal"), indices("foraminal", "left"), indices("foraminal", "right")):
        gaps = np.linalg.norm(np.diff(world[:, targets], axis=1), axis=2)  # (N, 4)
        for row, level in np.argwhere(gaps < CLOSE_MM):
            upper, lower = TARGETS[targets[level]].name, TARGETS[targets[level + 1]].name
            apart = f"{gaps[row, level]:.0f} mm apart"
            note(studies[row].study_id, f"{upper} and {lower} located {apart}: one of them may be out of view")
