"""How a slice is looked at: whole, or through a window around a point; always the same way round.

Images are turned so that sagittal ones show the patient's back on the right and the head on top, axial ones the
patient's left on the right and the back at the bottom, whatever way the file has its columns and rows running.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.approach import Config
from bench.imaging.study import Series, Study
from bench.targets import AXIAL_T2

_FRAME = 512

Extent = tuple[float, float, float, float]
"""A part of a slice: left, right, top and bottom as shares 0..1 of its width and height."""
WHOLE: Extent = (0.0, 1.0, 0.0, 1.0)


class Window(Config):
    """A crop around a point.

    Attributes:
        reach: how far it goes from the point to the image's left, right, top and bottom. On axial images these are for
            the patient's right side, whose recess lies on the image's left; for the left side left and right swap.
        unit: ``px512``: pixels after the slice has been resized to 512 x 512, or ``mm``.
        size: (H, W) of the output.
        inward: how far the window of the canal's axial stream moves from the recess towards the midline.
        lower: how far L5/S1's window moves down the image (the write-up's "window moved").
    """

    reach: tuple[float, float, float, float]
    unit: Literal["px512", "mm"] = "px512"
    size: tuple[int, int]
    inward: float = 0.0
    lower: float = 0.0


def main_series(study: Study, description: str) -> Series | None:
    """The series of a kind to look at: the one with most slices, of equal ones the first; None if there is none."""
    return max(study.of(description), key=len, default=None)


def turns(series: Series, index: int) -> NDArray[np.float64]:
    """(2,) +1 or -1 for x and y: whether columns and rows run the usual way."""
    along_x, along_y = series.orientations[index]
    right, down = (along_x[0], along_y[1]) if series.description == AXIAL_T2 else (along_x[1], -along_y[2])
    return np.where(np.array([right, down]) < 0, -1.0, 1.0)


def whole(series: Series, index: int, *, extent: Extent = WHOLE, flip: bool = False) -> NDArray[np.float64]:
    """The map (2, 3) that shows a whole slice, or a part of it; see `bench.training.crops.Crops.matrices`.

    ``extent``: which part, once the slice is turned the usual way; ``flip``: show it mirrored left-right.
    """
    height, width = series.shapes[index]
    left, right, top, bottom = extent
    size, turn = np.array([width, height]), turns(series, index)
    off_centre = np.array([left + right - 1, top + bottom - 1]) / 2
    half = np.array([right - left, bottom - top]) / 2 * size
    return _map((size - 1) / 2 + off_centre * size * turn, half * turn * (-1 if flip else 1, 1))


def around(
    series: Series, index: int, pixel: NDArray[np.float64], window: Window, *, level: int, left: bool, flip: bool
) -> NDArray[np.float64]:
    """The map (2, 3) that shows a window around a point.

    Args:
        series, index: the slice.
        pixel: (2,) the point.
        window: its reach.
        level: 0 to 4; L5/S1 may have its window moved.
        left: the point is of the patient's left side: on axial windows left and right swap.
        flip: show it mirrored left-right.
    """
    turn = turns(series, index)
    to_left, to_right, up, down = window.reach
    inward = window.inward  # to the image's right for the patient's right side
    if left and series.description == AXIAL_T2:
        to_left, to_right, inward = to_right, to_left, -inward
    lower = window.lower if level == 4 else 0.0
    shift = np.array([(to_right - to_left) / 2 + inward, (down - up) / 2 + lower])
    half = np.array([to_left + to_right, up + down]) / 2
    unit = pixels_per_unit(series, index, window.unit)
    return _map(pixel + shift * turn * unit, half * unit * turn * (-1 if flip else 1, 1))


def pixels_per_unit(series: Series, index: int, unit: str) -> NDArray[np.float64]:
    """(2,) pixels of the slice in x and y that make one pixel of the 512 frame, or one millimetre."""
    if unit == "mm":
        return 1 / series.spacings[index]
    height, width = series.shapes[index]
    return np.array([width, height]) / _FRAME


def shares_to_pixels(matrix: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Source pixels (..., 2) of points (..., 2) given as shares 0..1 of the output's width and height."""
    return (2 * shares - 1) @ matrix[:, :2].T + matrix[:, 2]


def pixels_to_shares(matrices: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares 0..1 (B, P, 2) of the output's width and height at which source pixels (B, P, 2) appear."""
    offset = pixels - matrices[:, None, :, 2]
    return (np.einsum("bij,bpj->bpi", np.linalg.inv(matrices[:, :, :2]), offset) + 1) / 2


def _map(centre: NDArray[np.float64], half: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([[half[0], 0.0, centre[0]], [0.0, half[1], centre[1]]])
