"""Stage 2's input: for every stream and level a bag of consecutive slices, cropped by a window around the point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.data.keypoints import Keypoints
from bench.imaging.study import Series, Study
from bench.targets import LEVELS, indices
from bench.training.augmentation import shift_scale_rotate
from bench.training.crops import BLANK, Crops
from bench.training.windows import Window, around, pixels_per_unit

from . import slice_errors
from .severity_config import Severity

LEFT, RIGHT, MIDDLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of bag.

    Attributes:
        name: of its window in `severity_config.Windows`.
        encoder: the kind of image that it shows; streams of one kind may share an encoder.
        targets: indices into TARGETS whose points its bags are taken at, in order.
        errors: the kind of `slice_errors` whose distribution shifts its bags in training.
    """

    name: str
    encoder: str
    targets: tuple[int, ...]
    errors: str


FORAMINA, RECESSES = indices("foraminal"), indices("subarticular")
LEFT_RECESSES, RIGHT_RECESSES = indices("subarticular", "left"), indices("subarticular", "right")
LEFT_TARGETS = (*indices("foraminal", "left"), *LEFT_RECESSES)
STREAMS = {
    stream.name: stream
    for stream in (
        Stream("canal_sagittal", "t2", indices("spinal"), "canal"),
        Stream("canal_axial", "axial", LEFT_RECESSES, "recesses"),
        Stream("foraminal_sagittal", "t1", FORAMINA, "foramina"),
        Stream("side_axial", "axial", RECESSES, "recesses"),
    )
}
# condition -> its streams; the bags of a condition's streams stand in the order of its targets
CONDITION_STREAMS = {
    "spinal": ("canal_sagittal", "canal_axial"),
    "foraminal": ("foraminal_sagittal", "side_axial"),
    "subarticular": ("side_axial",),
}


@dataclass(frozen=True, slots=True, eq=False)
class Bags:
    """All bags of one stream over N studies, K per study, before anything random.

    Attributes:
        series: (N, K) series ids, `BLANK` where the bag is blank.
        centres: (N, K, A) marked slices. A is the number of alternative places: `LEFT`, `RIGHT` and `MIDDLE` for the
            canal's axial stream, else one.
        lengths: (N, K) slices in the series.
        matrices: (N, K, A, 2, 3) affine maps of the window, NaN where that place is unknown.
        frames: (N, K, 2) pixels that make one pixel of the 512 frame.
        reverse: (K,) whether the slices are shown from left to right, to look like the other side.
    """

    stream: Stream
    series: NDArray[np.int64]
    centres: NDArray[np.int64]
    lengths: NDArray[np.int64]
    matrices: NDArray[np.float64]
    frames: NDArray[np.float64]
    reverse: NDArray[np.bool_]


def collect(studies: Sequence[Study], keypoints: Keypoints, stream: Stream, config: Severity) -> Bags:
    """The bags of a stream at the points of some studies."""
    shape = (len(studies), len(stream.targets))
    places = 3 if stream.name == "canal_axial" else 1
    left = np.isin(stream.targets, LEFT_TARGETS)
    bags = Bags(
        stream,
        series=np.full(shape, BLANK, dtype=np.int64),
        centres=np.zeros((*shape, places), dtype=np.int64),
        lengths=np.ones(shape, dtype=np.int64),
        matrices=np.full((*shape, places, 2, 3), np.nan),
        frames=np.ones((*shape, 2)),
        reverse=left & (config.mirror and stream.encoder == "t1"),
    )
    for row, study in enumerate(studies):
        for column, target in enumerate(stream.targets):
            _place(bags, study, keypoints, row, column, target, config)
    return bags


def _place(
    bags: Bags, study: Study, keypoints: Keypoints, row: int, column: int, target: int, config: Severity
) -> None:
    """Put one bag at its target's point; the canal's axial one at the recesses of the level. Blank without a point."""
    level = column % len(LEVELS)
    canal = bags.stream.name == "canal_axial"
    options = [LEFT_RECESSES[level], RIGHT_RECESSES[level]] if canal else [target]
    options = [option for option in options if keypoints.slices[row, option] >= 0]
    if not options:
        return
    series = study.get(int(keypoints.series[row, options[0]]))
    index = int(keypoints.slices[row, options[0]])
    bags.series[row, column], bags.lengths[row, column] = series.series_id, len(series)
    bags.centres[row, column], bags.frames[row, column] = index, pixels_per_unit(series, index, "px512")
    window: Window = getattr(config.windows, bags.stream.name)
    if canal:
        options = [option for option in options if keypoints.series[row, option] == series.series_id]
        bags.matrices[row, column] = _canal_maps(series, keypoints, row, options, window, level)
        # midway between recesses that are marked on two slices lies on the slice between them
        bags.centres[row, column, MIDDLE] = int(keypoints.slices[row, options].mean())
        for option in options:
            bags.centres[row, column, _side(option)] = keypoints.slices[row, option]
        return
    left = target in LEFT_TARGETS
    flip = config.mirror and bags.stream.encoder == "axial" and not left
    pixel = keypoints.pixels[row, target]
    bags.matrices[row, column, 0] = around(series, index, pixel, window, level=level, left=left, flip=flip)


def _canal_maps(
    series: Series, keypoints: Keypoints, row: int, options: list[int], window: Window, level: int
) -> NDArray[np.float64]:
    """(3, 2, 3) maps of the canal's axial window around the left recess, the right one, and midway."""
    maps = np.full((3, 2, 3), np.nan)
    for target in options:
        side, index = _side(target), int(keypoints.slices[row, target])
        pixel = keypoints.pixels[row, target]
        maps[side] = around(series, index, pixel, window, level=level, left=side == LEFT)
    maps[MIDDLE] = np.nanmean(maps[:2], axis=0)
    return maps


def _side(recess: int) -> int:
    return LEFT if recess in LEFT_RECESSES else RIGHT


def draw(
    bags: Bags,
    rows: NDArray[np.int64],
    config: Severity,
    errors: Sequence[float] | None,
    random: np.random.Generator | None,
) -> tuple[Crops, NDArray[np.int64]]:
    """The crops of R studies' bags, (R * K), and where in each bag the marked slice stands (-1: not in it).

    Args:
        bags: of one stream.
        rows: (R,) the studies.
        config: of stage 2.
        errors: relative frequencies of stage 1's errors in slices, see `slice_errors.frequencies`.
        random: for training: point and slice are shifted, the crop is augmented, the canal's axial bag lies at either
            recess. None: as in prediction.
    """
    series = bags.series[rows].reshape(-1)  # (R * K,)
    count = len(series)
    maps = bags.matrices[rows].reshape(count, -1, 2, 3)  # (R * K, A, 2, 3)
    frames = bags.frames[rows].reshape(count, 2)
    centres, lengths = bags.centres[rows].reshape(count, -1), bags.lengths[rows].reshape(-1)
    shifts = np.zeros(count, dtype=np.int64)
    every = np.arange(count)
    chosen = np.full(count, maps.shape[1] - 1)  # the middle, or the only one
    if maps.shape[1] > 1 and (random is not None or config.canal_side == "random"):
        sides = _fixed_random_sides(series) if random is None else random.integers(0, 2, size=count)
        chosen = np.where(np.isnan(maps[every, sides]).any(axis=(1, 2)), chosen, sides)
    matrices, centres = maps[every, chosen], centres[every, chosen]
    if random is not None:
        matrices = matrices.copy()
        matrices[:, :, 2] += random.uniform(-config.jitter, config.jitter, size=(count, 2)) * frames
        matrices = shift_scale_rotate(matrices, config.affine, random)
        if errors is not None and config.shift_slices:
            shifts = slice_errors.draw(errors, count, random)
    slices, marked = bag_slices(centres, shifts, lengths, config.bag)  # (R * K, S), (R * K,)
    reverse = np.tile(bags.reverse, len(rows))
    slices = np.where(reverse[:, None], slices[:, ::-1], slices)
    marked = np.where(reverse & (marked >= 0), config.bag - 1 - marked, marked)
    blank = series == BLANK
    marked[blank] = -1
    return Crops(series, slices, np.where(blank[:, None, None], 0.0, matrices)), marked


def _fixed_random_sides(series: NDArray[np.int64]) -> NDArray[np.int64]:
    """(B,) a random side for each bag, levels running fastest.

    It depends on series and level alone, so that a study's prediction does not depend on which others are predicted.
    """
    levels = np.arange(len(series)) % len(LEVELS)
    keys = np.stack([np.maximum(series, 0), levels], axis=1)  # blank bags have a negative id
    return np.array([np.random.default_rng(key).integers(0, 2) for key in keys], dtype=np.int64)


def bag_slices(
    centres: NDArray[np.int64], shifts: NDArray[np.int64], lengths: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The slices of bags, and where in each the marked slice stands.

    Args:
        centres: (B,) the marked slices.
        shifts: (B,) by how much the bag's middle is shifted; it is kept within the series.
        lengths: (B,) slices in the series.
        size: slices per bag, odd; those beyond an end repeat the last.

    Returns:
        (B, size) slice indices in anatomical order; (B,) place of the marked slice in its bag, -1 if it is not in it.
        With room on both sides, a bag shifted by +1 has the marked slice one place before the middle.
    """
    half = size // 2
    last = np.maximum(lengths - 1, 0)
    middle = np.clip(centres + shifts, 0, last)
    slices = np.clip(middle[:, None] + np.arange(-half, half + 1), 0, last[:, None])
    place = half - (middle - centres)
    return slices, np.where((place >= 0) & (place < size), place, -1)
