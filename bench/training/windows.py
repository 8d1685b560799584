"""Affine maps that show a slice: whole, in part, or a window around a point; always in the same orientation.

Images are turned so that sagittal ones show the patient's back on the right and the head on top, axial ones the
patient's left on the right and the back at the bottom, whatever way the file has its columns and rows running.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.approach import Config
from bench.imaging.study import Series
from bench.targets import AXIAL_T2

_FRAME = 512

Extent = tuple[float, float, float, float]
"""A part of a slice: left, right, top and bottom as fractions 0..1 of its width and height."""
WHOLE: Extent = (0.0, 1.0, 0.0, 1.0)
Unit = Literal["px", "px512", "mm"]
"""Of lengths on a slice: its own pixels, pixels after it has been resized to 512 x 512, or millimetres."""


def check_extent(extent: Extent) -> None:
    """Raise ValueError unless the extent shows something and stays within the slice."""
    left, right, top, bottom = extent
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(f"extent {list(extent)}: give left < right and top < bottom, each from 0 to 1")


class Window(Config):
    """A crop around a point.

    Attributes:
        reach: how far it goes from the point to the image's left, right, top and bottom. On axial images these are for
            the patient's right side, whose recess lies on the image's left; for the left side left and right swap.
        unit: of ``reach``, ``inward`` and ``lower``, see `Unit`.
        size: (H, W) of the output.
        inward: on axial images: how far the window moves from a point on one side towards the midline.
        lower: how far L5/S1's window moves down the image.
    """

    reach: tuple[float, float, float, float]
    unit: Unit = "px512"
    size: tuple[int, int]
    inward: float = 0.0
    lower: float = 0.0


def axis_signs(series: Series, index: int) -> NDArray[np.float64]:
    """(2,) +1 or -1 for x and y: whether the file's columns and rows run as they are shown, or the other way."""
    along_x, along_y = series.orientations[index]
    right, down = (along_x[0], along_y[1]) if series.description == AXIAL_T2 else (along_x[1], -along_y[2])
    return np.where(np.array([right, down]) < 0, -1.0, 1.0)


def whole(series: Series, index: int, *, extent: Extent = WHOLE, flip: bool = False) -> NDArray[np.float64]:
    """The map (2, 3) that shows a whole slice, or a part of it; see `bench.training.crops.Crops.matrices`.

    Args:
        series, index: the slice.
        extent: which part, counted in the orientation that is shown.
        flip: show it mirrored left-right.
    """
    height, width = series.shapes[index]
    left, right, top, bottom = extent
    size, signs = np.array([width, height]), axis_signs(series, index)
    off_centre = np.array([left + right - 1, top + bottom - 1]) / 2
    half = np.array([right - left, bottom - top]) / 2 * size
    return _map((size - 1) / 2 + off_centre * size * signs, half * signs * (-1 if flip else 1, 1))


def around(
    series: Series,
    index: int,
    pixel: NDArray[np.float64],
    window: Window,
    *,
    level: int | None = None,
    left: bool = False,
    flip: bool = False,
) -> NDArray[np.float64]:
    """The map (2, 3) that shows a window around a point.

    Args:
        series, index: the slice.
        pixel: (2,) the point.
        window: its reach.
        level: 0 to 4, or None: L5/S1 may have its window moved.
        left: the point is on the patient's left side: on axial windows left and right swap.
        flip: show it mirrored left-right.
    """
    signs = axis_signs(series, index)
    to_left, to_right, up, down = window.reach
    inward = window.inward  # to the image's right for the patient's right side
    if left and series.description == AXIAL_T2:
        to_left, to_right, inward = to_right, to_left, -inward
    lower = window.lower if level == 4 else 0.0
    shift = np.array([(to_right - to_left) / 2 + inward, (down - up) / 2 + lower])
    half = np.array([to_left + to_right, up + down]) / 2
    unit = pixels_per_unit(series, index, window.unit)
    return _map(pixel + shift * signs * unit, half * unit * signs * (-1 if flip else 1, 1))


def around_all(
    pixels: NDArray[np.float64],
    signs: NDArray[np.float64],
    units: NDArray[np.float64],
    window: Window,
    *,
    axial: bool,
    levels: NDArray[np.int64],
    left: NDArray[np.bool_],
    flip: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """`around` for many points at once: (B, 2, 3).

    Args:
        pixels: (B, 2) points.
        signs, units: (B, 2) of their slices, see `axis_signs` and `pixels_per_unit`.
        window: its reach.
        axial: whether the slices are axial.
        levels: (B,) 0 to 4.
        left: (B,) whether a point is on the patient's left side.
        flip: (B,) whether it is shown mirrored left-right.
    """
    to_left, to_right, up, down = window.reach
    turn = np.where(left & axial, -1.0, 1.0)
    shift = np.empty_like(pixels)
    shift[:, 0] = turn * ((to_right - to_left) / 2 + window.inward)
    shift[:, 1] = (down - up) / 2 + np.where(levels == 4, window.lower, 0.0)
    half = np.array([to_left + to_right, up + down]) / 2 * units * signs
    half[flip, 0] *= -1
    maps = np.zeros((len(pixels), 2, 3))
    maps[:, 0, 0], maps[:, 1, 1] = half.T
    maps[:, :, 2] = pixels + shift * signs * units
    return maps


def pixels_per_unit(series: Series, index: int, unit: Unit) -> NDArray[np.float64]:
    """(2,) pixels of the slice in x and y that make one of a unit, see `Unit`."""
    if unit == "mm":
        return 1 / series.spacings[index]
    if unit == "px":
        return np.ones(2)
    height, width = series.shapes[index]
    return np.array([width, height]) / _FRAME


def relative_to_pixels(matrix: NDArray[np.float64], relative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Source pixels (..., 2) of points (..., 2) given as fractions 0..1 of the output's width and height."""
    return (2 * relative - 1) @ matrix[:, :2].T + matrix[:, 2]


def pixels_to_relative(matrices: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fractions 0..1 (B, P, 2) of the output's width and height at which source pixels (B, P, 2) appear."""
    offset = pixels - matrices[:, None, :, 2]
    return (np.einsum("bij,bpj->bpi", np.linalg.inv(matrices[:, :, :2]), offset) + 1) / 2


def visible_only(relative: NDArray[np.float64]) -> NDArray[np.float64]:
    """The points (..., 2), those outside the image (0..1) as NaN: an augmentation may have moved them out of it."""
    outside = ((relative < 0) | (relative > 1)).any(axis=-1, keepdims=True)
    return np.where(outside, np.nan, relative)


def _map(centre: NDArray[np.float64], half: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([[half[0], 0.0, centre[0]], [0.0, half[1], centre[1]]])
