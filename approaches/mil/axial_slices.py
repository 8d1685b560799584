"""What sagittal points say of levels: the axial slice of each (stage 1c, first half), and whether all are in view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.data.keypoints import Keypoints, Note
from bench.imaging.study import Series, Study
from bench.targets import AXIAL_T2, LEVELS, TARGETS

FAR_MM = 10.0
CLOSE_MM = 12.0  # neighbouring discs lie about 30 mm apart


def axial_slices(studies: Sequence[Study], marks: Keypoints, note: Note) -> list[list[tuple[Series, int] | None]]:
    """For each study and level the nearest axial slice over all axial series, or None.

    The point is the canal's; where that is unknown, the middle between left and right foramen, or either of them.
    """
    world = marks.world(studies)
    chosen = []
    for row, study in enumerate(studies):
        if not study.axial_t2:
            note(study.study_id, f"no {AXIAL_T2}: recesses not located, axial bags are blank")
        chosen.append([_nearest(study, world[row], level, note) for level in range(len(LEVELS))])
    return chosen


def _nearest(study: Study, world: np.ndarray, level: int, note: Note) -> tuple[Series, int] | None:
    if not study.axial_t2:
        return None
    point = world[level]
    if np.isnan(point).any():
        foramina = world[[5 + level, 10 + level]]
        known = foramina[~np.isnan(foramina).any(axis=1)]
        if not len(known):
            note(
                study.study_id, f"no sagittal point of {LEVELS[level]}: no axial slice chosen, its axial bags are blank"
            )
            return None
        note(study.study_id, f"axial slice of {LEVELS[level]} chosen by the foramina, for want of a canal point")
        point = known.mean(axis=0)
    found = study.nearest_slice(point, AXIAL_T2)
    assert found is not None  # there is an axial series
    series, index, distance = found
    if distance > FAR_MM:
        note(study.study_id, f"nearest axial slice to {LEVELS[level]} is {distance:.0f} mm away")
    return series, index


def note_crowded(studies: Sequence[Study], marks: Keypoints, note: Note) -> None:
    """Note levels that were located nearly at one place: the networks place all five, also one that is out of view."""
    world = marks.world(studies)
    for first in (0, 5, 10):
        gaps = np.linalg.norm(np.diff(world[:, first : first + len(LEVELS)], axis=1), axis=2)  # (N, 4)
        for row, level in np.argwhere(gaps < CLOSE_MM):
            upper, lower = (TARGETS[first + level + step].name for step in (0, 1))
            apart = f"{gaps[row, level]:.0f} mm apart"
            note(studies[row].study_id, f"{upper} and {lower} located {apart}: one of them may be out of view")
