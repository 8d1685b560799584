"""Stage 2's input: for every stream of every level a bag of consecutive slices, seen through a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.data.keypoints import Keypoints
from bench.imaging.study import Series, Study
from bench.targets import LEVELS
from bench.training.augmentation import shift_scale_rotate
from bench.training.crops import BLANK, Crops
from bench.training.windows import around, pixels_per_unit

from . import slice_errors
from .config import Severity, Window

LEFT, RIGHT, MIDDLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of bag.

    Attributes:
        name: of its window in `config.Windows`.
        encoder: what it is a picture of; streams of one encoder may share it.
        targets: indices into TARGETS whose points its bags are taken at, in order.
        missed: whose error frequencies move its bags.
    """

    name: str
    encoder: str
    targets: tuple[int, ...]
    missed: str


RECESSES = tuple(range(15, 25))
STREAMS = {
    stream.name: stream
    for stream in (
        Stream("canal_sagittal", "t2", tuple(range(5)), "canal"),
        Stream("canal_axial", "axial", tuple(range(15, 20)), "recesses"),
        Stream("foraminal_sagittal", "t1", tuple(range(5, 15)), "foramina"),
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
    """All bags of one stream over N studies, before anything random.

    Attributes:
        series: (N, K) series ids, `BLANK` where the bag is blank.
        centres: (N, K, A) marked slices; A alternatives (`LEFT`, `RIGHT`, `MIDDLE` of the canal's axial stream, else
            one).
        lengths: (N, K) slices in the series.
        matrices: (N, K, A, 2, 3) maps of the window. NaN where that alternative is unknown.
        frames: (N, K, 2) pixels that make one pixel of the 512 frame.
        reverse: (K,) whether the slices are taken from left to right, to look like the other side.
    """

    stream: Stream
    series: NDArray[np.int64]
    centres: NDArray[np.int64]
    lengths: NDArray[np.int64]
    matrices: NDArray[np.float64]
    frames: NDArray[np.float64]
    reverse: NDArray[np.bool_]


def collect(studies: Sequence[Study], marks: Keypoints, stream: Stream, config: Severity) -> Bags:
    """The bags of a stream at the points of some studies."""
    window: Window = getattr(config.windows, stream.name)
    canal = stream.name == "canal_axial"
    shape = (len(studies), len(stream.targets))
    alternatives = 3 if canal else 1
    series_ids = np.full(shape, BLANK, dtype=np.int64)
    centres, lengths = np.zeros((*shape, alternatives), dtype=np.int64), np.ones(shape, dtype=np.int64)
    matrices = np.full((*shape, alternatives, 2, 3), np.nan)
    frames = np.ones((*shape, 2))
    left = np.array([10 > target >= 5 or 20 > target >= 15 for target in stream.targets])
    for row, study in enumerate(studies):
        for column, target in enumerate(stream.targets):
            options = [target, target + 5] if canal else [target]  # left and right recess
            options = [option for option in options if marks.slices[row, option] >= 0]
            if not options:
                continue
            first = options[0]
            series = study.get(int(marks.series[row, first]))
            index = int(marks.slices[row, first])
            series_ids[row, column], centres[row, column], lengths[row, column] = series.series_id, index, len(series)
            frames[row, column] = pixels_per_unit(series, index, "px512")
            if canal:
                options = [option for option in options if marks.series[row, option] == series.series_id]
                matrices[row, column] = _canal_maps(series, marks, row, options, window, target % 5)
                # midway between recesses that are marked on two slices lies on the slice between them
                centres[row, column, MIDDLE] = int(marks.slices[row, options].mean())
                for option in options:
                    centres[row, column, _side(option)] = marks.slices[row, option]
            else:
                flip = config.mirror and stream.encoder == "axial" and not left[column]
                matrices[row, column, 0] = around(
                    series,
                    index,
                    marks.pixels[row, first],
                    window,
                    level=target % 5,
                    left=bool(left[column]),
                    flip=flip,
                )
    reverse = left & (config.mirror and stream.encoder == "t1")
    return Bags(stream, series_ids, centres, lengths, matrices, frames, reverse)


def _canal_maps(
    series: Series, marks: Keypoints, row: int, options: list[int], window: Window, level: int
) -> NDArray[np.float64]:
    """(3, 2, 3) maps of the canal's axial window around the left recess, the right one, and midway."""
    maps = np.full((3, 2, 3), np.nan)
    for target in options:
        side, index = _side(target), int(marks.slices[row, target])
        pixel = marks.pixels[row, target]
        maps[side] = around(series, index, pixel, window, level=level, left=side == LEFT, flip=False)
    maps[MIDDLE] = np.nanmean(maps[:2], axis=0)
    return maps


def _side(recess: int) -> int:
    return LEFT if recess < 20 else RIGHT


def draw(
    bags: Bags,
    rows: NDArray[np.int64],
    config: Severity,
    missed: Sequence[float] | None,
    random: np.random.Generator | None,
) -> tuple[Crops, NDArray[np.int64]]:
    """The crops of some studies' bags, (len(rows) * K), and where in each bag the marked slice stands (-1: nowhere).

    With ``random`` as training sees them: moved, changed, and around either recess; without, as they are.
    """
    series = bags.series[rows].reshape(-1)
    count = len(series)
    maps = bags.matrices[rows].reshape(count, -1, 2, 3)
    frames = bags.frames[rows].reshape(count, 2)
    centres, lengths = bags.centres[rows].reshape(count, -1), bags.lengths[rows].reshape(-1)
    moved = np.zeros(count, dtype=np.int64)
    every = np.arange(count)
    chosen = np.full(count, maps.shape[1] - 1)  # the middle, or the only one
    if maps.shape[1] > 1 and (random is not None or config.canal_side == "random"):
        sides = _lasting_sides(series) if random is None else random.integers(0, 2, size=count)
        chosen = np.where(np.isnan(maps[every, sides]).any(axis=(1, 2)), chosen, sides)
    matrices, centres = maps[every, chosen], centres[every, chosen]
    if random is not None:
        matrices = matrices.copy()
        matrices[:, :, 2] += random.uniform(-config.jitter, config.jitter, size=(count, 2)) * frames
        matrices = shift_scale_rotate(matrices, config.change, random)
        if missed is not None and config.shift_slices:
            moved = slice_errors.draw(missed, count, random)
    slices, marked = slice_errors.bag_slices(centres, moved, lengths, config.bag)
    reverse = np.tile(bags.reverse, len(rows))
    slices = np.where(reverse[:, None], slices[:, ::-1], slices)
    marked = np.where(reverse & (marked >= 0), config.bag - 1 - marked, marked)
    blank = series == BLANK
    marked[blank] = -1
    return Crops(series, slices, np.where(blank[:, None, None], 0.0, matrices)), marked


def _lasting_sides(series: NDArray[np.int64]) -> NDArray[np.int64]:
    """(B,) a side for each bag, levels running fastest: drawn by series and level alone, so that what is predicted for
    a study does not depend on what else is predicted."""
    levels = np.arange(len(series)) % len(LEVELS)
    keys = np.stack([np.maximum(series, 0), levels], axis=1)  # blank bags have a negative id
    return np.array([np.random.default_rng(key).integers(0, 2) for key in keys], dtype=np.int64)
