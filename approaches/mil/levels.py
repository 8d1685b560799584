"""Stage 1c, first half: the axial slice of each level, by projecting sagittal points into the patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.imaging.study import Series, Study
from bench.targets import AXIAL_T2, LEVELS

from .marks import Marks, Note

FAR_MM = 10.0


def axial_slices(studies: Sequence[Study], marks: Marks, note: Note) -> list[list[tuple[Series, int] | None]]:
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
