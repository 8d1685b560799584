"""Defects of the published code that change results, to be put back one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.approach import Config
from bench.data.keypoints import ABSENT, Keypoints
from bench.imaging.study import Series, Study
from bench.targets import AXIAL_T2, LEVELS, SAGITTAL_T1, TARGETS, indices
from bench.training.windows import pixels_to_relative, relative_to_pixels

from .frames import Frames

_LEFT, _RIGHT = (list(indices("foraminal", side)) for side in ("left", "right"))
_RECESSES = {side: list(indices("subarticular", side)) for side in ("left", "right")}


class Defects(Config):
    """Each as the published notebook has it.

    Attributes:
        sides_by_instance: the first half of a Sagittal T1 series by instance number is taken for the patient's right.
        head_order: grades are read in the order of train.csv, heads give them in their own: foramina right before left,
            recesses level by level, right before left.
        wrong_image: crop j of a kind is cut from image j modulo the number of images: foramina alternate between the
            right and left image, recesses take another level's slice.
        stale_validation: validation crops are cut at the points of the last training batch. It changes the choice of
            the best epoch alone, so it needs validation.
    """

    sides_by_instance: bool = False
    head_order: bool = False
    wrong_image: bool = False
    stale_validation: bool = False


def head_order() -> NDArray[np.int64]:
    """(25,) for each target in the order of train.csv the target whose crop the head at that place sees."""
    recesses = [_RECESSES[side][level] for level in range(len(LEVELS)) for side in ("right", "left")]
    return np.array([*indices("spinal"), *_RIGHT, *_LEFT, *recesses])


def crop_sources(defects: Defects) -> NDArray[np.int64]:
    """(25,) the target whose crop each target is graded by: its own, unless the order of heads is put back."""
    return head_order() if defects.head_order else np.arange(len(TARGETS))


def misread(studies: Sequence[Study], keypoints: Keypoints, defects: Defects) -> Keypoints:
    """The points with left and right foramina exchanged where instance order runs from the patient's left to right."""
    if not defects.sides_by_instance:
        return keypoints
    changed = Keypoints(keypoints.series.copy(), keypoints.slices.copy(), keypoints.pixels.copy())
    for row, study in enumerate(studies):
        series = study.main_series(SAGITTAL_T1)
        if series is not None and runs_from_left(series):
            for values in (changed.series, changed.slices, changed.pixels):
                values[row, _LEFT + _RIGHT] = values[row, _RIGHT + _LEFT]
    return changed


def runs_from_left(series: Series) -> bool:
    """Whether instance numbers grow from the patient's left to right, against the anatomical order of `Series`."""
    numbers = series.instance_numbers
    return len(numbers) > 1 and bool(numbers[0] > numbers[-1])


def miscropped(studies: Sequence[Study], keypoints: Keypoints, defects: Defects, frames: Frames) -> Keypoints:
    """The points on the images that the published code cuts crops from: right place in the frame, wrong image."""
    if not defects.wrong_image:
        return keypoints
    changed = Keypoints.none(len(studies))
    for row, study in enumerate(studies):
        for target in np.flatnonzero(keypoints.known[row]):
            image = _wrong_image(int(target))
            if keypoints.slices[row, image] != ABSENT:
                _move(study, keypoints, row, int(target), row, image, study, changed, frames)
    return changed


def _wrong_image(target: int) -> int:
    """A target that is marked on the image from which a target's crop is cut."""
    described = TARGETS[target]
    level = LEVELS.index(described.level)
    if described.point_series == SAGITTAL_T1:
        crop = level if described.side == "right" else len(LEVELS) + level
        return (_RIGHT, _LEFT)[crop % 2][level]
    if described.point_series == AXIAL_T2:
        crop = 2 * level + (described.side == "left")
        return _RECESSES["left" if described.side == "left" else "right"][crop % len(LEVELS)]
    return target


def stale_points(
    studies: Sequence[Study],
    keypoints: Keypoints,
    validation: NDArray[np.int64],
    last: NDArray[np.int64],
    frames: Frames,
) -> Keypoints:
    """The points with those of the validation studies replaced by the last training batch's, place for place."""
    if not len(last):
        return keypoints
    changed = Keypoints(keypoints.series.copy(), keypoints.slices.copy(), keypoints.pixels.copy())
    for place, row in enumerate(validation):
        other = int(last[place % len(last)])
        for target in np.flatnonzero(keypoints.known[row] & keypoints.known[other]):
            source = studies[other]
            _move(source, keypoints, other, int(target), int(row), int(target), studies[row], changed, frames)
    return changed


def _move(
    source: Study,
    keypoints: Keypoints,
    row: int,
    target: int,
    to_row: int,
    image: int,
    study: Study,
    changed: Keypoints,
    frames: Frames,
) -> None:
    """Put a point at its place in the frame on the image of another target or study."""
    own = source.get(int(keypoints.series[row, target]))
    matrix = frames.matrix(own, int(keypoints.slices[row, target]))
    share = pixels_to_relative(matrix[None], keypoints.pixels[row, target][None, None])[0, 0]
    series = study.get(int(keypoints.series[to_row, image]))
    index = int(keypoints.slices[to_row, image])
    changed.set(to_row, target, series.series_id, index, relative_to_pixels(frames.matrix(series, index), share))
