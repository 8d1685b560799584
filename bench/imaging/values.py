"""Decoded slices of one series brought together: unsigned, upright, in common units, padded to one size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.imaging.dicom.pixels import Pixels
from bench.imaging.slices import Slice

# The slices of a series, each (H, W), all of one shape and of one unsigned type.
Stack = list[NDArray[Any]]
# A slice, its slope and its intercept.
_Scaled = tuple[NDArray[Any], float, float]
_COUNTED_PX = 32768


def common_units(slices: Sequence[Slice], pixels: Mapping[str, Pixels]) -> tuple[Stack, tuple[float, float]]:
    """The slices in one unsigned type, and the slope and intercept back to the file's units.

    The file's integers are kept, moved up where some are negative; only where slopes differ within a series, or 32 bits
    do not fit into 16, values are quantised over their range.
    """
    parts = [_upright(pixels[one.path], one) for one in slices]
    scales = {(slope, intercept) for _, slope, intercept in parts}
    if len(scales) > 1:
        return _quantised(parts)
    ((slope, intercept),) = scales
    values = [part for part, _, _ in parts]
    if all(part.dtype.kind == "u" and part.dtype.itemsize <= 2 for part in values):
        return _padded(values, np.result_type(*values)), (slope, intercept)
    lowest, highest = min(int(part.min()) for part in values), max(int(part.max()) for part in values)
    offset = min(lowest, 0)
    if highest - offset > 65535:
        return _quantised(parts)
    return _padded([part.astype(np.int64) - offset for part in values], np.uint16), (slope, intercept + slope * offset)


def _upright(pixels: Pixels, one: Slice) -> _Scaled:
    """A slice with high values bright: one in MONOCHROME1 is turned, its slope is then negative."""
    values, slope, intercept = pixels.frames[one.frame_index], one.frame.slope, one.frame.intercept
    if not pixels.inverted:
        return values, slope, intercept
    top = (1 << pixels.bits_stored) - 1 if values.dtype.kind == "u" else -1
    turned = top - values.astype(np.int64)
    return turned.astype(values.dtype), -slope, intercept + slope * top


def _quantised(parts: Sequence[_Scaled]) -> tuple[Stack, tuple[float, float]]:
    real = [part.astype(np.float64) * slope + intercept for part, slope, intercept in parts]
    low, high = min(part.min() for part in real), max(part.max() for part in real)
    step = float(high - low) / 65535 or 1.0
    return _padded([np.rint((part - low) / step) for part in real], np.uint16), (step, float(low))


def _padded(parts: Sequence[NDArray[Any]], dtype: Any) -> Stack:
    """The slices in ``dtype``, smaller ones with zeros at the right and bottom."""
    rows, columns = np.max([part.shape for part in parts], axis=0)
    stack = []
    for part in parts:
        if part.shape == (rows, columns):
            stack.append(np.ascontiguousarray(part, dtype=dtype))
        else:
            stack.append(np.zeros((rows, columns), dtype=dtype))
            stack[-1][: part.shape[0], : part.shape[1]] = part
    return stack


def percentiles(values: NDArray[Any], padding: NDArray[np.bool_] | None = None) -> tuple[int, int]:
    """The smallest values that at least 1 % and at least 99 % of the pixels do not exceed.

    Of a large slice every second, third, ... row is counted, but at least 32,768 pixels: the cost stays small compared
    with decoding.

    Args:
        values: (H, W) unsigned.
        padding: (H, W) pixels that do not count, unless there are no others.
    """
    if padding is not None and padding.all():
        padding = None
    counted = values[:: max(1, values.size // _COUNTED_PX)] if padding is None else values[~padding]
    below = np.cumsum(np.bincount(counted.ravel()))
    low, high = np.searchsorted(below, (0.01 * counted.size, 0.99 * counted.size))
    return int(low), int(high)
