"""From points on sagittal images to levels in the patient, and to the axial slice of each level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.data.keypoints import Keypoints, Note
from bench.imaging.study import SliceAt, Study
from bench.targets import AXIAL_T2, LEVELS, indices

FAR_MM = 10.0
"""An axial slice farther from its level than this is noted: neighbouring discs lie about 30 mm apart."""


def level_positions(studies: Sequence[Study], keypoints: Keypoints) -> NDArray[np.float64]:
    """(N, 5, 3) where each level lies in the patient, mm; NaN where no sagittal point of it is known.

    It is the canal's point; where that is unknown, the middle between left and right foramen, or either of them.
    """
    world = keypoints.world(studies)
    positions = world[:, indices("spinal")].copy()
    foramina = np.stack([world[:, indices("foraminal", "left")], world[:, indices("foraminal", "right")]], axis=2)
    for row, level in np.argwhere(np.isnan(positions).any(axis=2)):
        known = foramina[row, level][~np.isnan(foramina[row, level]).any(axis=1)]
        positions[row, level] = known.mean(axis=0) if len(known) else np.nan
    return positions


def axial_slices(studies: Sequence[Study], keypoints: Keypoints, note: Note) -> list[list[SliceAt | None]]:
    """For each study and level the nearest axial slice over all axial series, or None. What is missing is noted."""
    positions = level_positions(studies, keypoints)
    canal = keypoints.known[:, indices("spinal")]
    chosen: list[list[SliceAt | None]] = []
    for row, study in enumerate(studies):
        if not study.axial_t2:
            note(study.study_id, f"no {AXIAL_T2}: no axial slice of any level")
            chosen.append([None] * len(LEVELS))
            continue
        chosen.append(
            [_nearest(study, positions[row, level], level, canal[row, level], note) for level in range(len(LEVELS))]
        )
    return chosen


def _nearest(study: Study, position: NDArray[np.float64], level: int, canal: bool, note: Note) -> SliceAt | None:
    if np.isnan(position).any():
        note(study.study_id, f"no sagittal point of {LEVELS[level]}: no axial slice of it")
        return None
    if not canal:
        note(study.study_id, f"axial slice of {LEVELS[level]} chosen by the foramina, for want of a canal point")
    found = study.nearest_slice(position, AXIAL_T2)
    if found is not None and found.distance_mm > FAR_MM:
        note(study.study_id, f"nearest axial slice to {LEVELS[level]} is {found.distance_mm:.0f} mm away")
    return found
