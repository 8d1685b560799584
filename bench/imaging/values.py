"""Decoded slices of one series as one volume: unsigned, upright, in common units, padded to one size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.imaging.assembly import Assembled
from bench.imaging.pixels import Pixels

_COUNTED_PX = 65536


def common_units(assembled: Assembled, decoded: Mapping[str, Pixels]) -> tuple[NDArray[Any], tuple[float, float]]:
    """(S, H, W) unsigned volume padded with zeros, and the slope and intercept back to the file's units.

    The file's integers are kept, moved up where some are negative; only where slopes differ within a series, or 32 bits
    do not fit into 16, values are quantised over their range.
    """
    parts = [
        (decoded[one.path].frames[one.frame_index], one.frame.slope, one.frame.intercept) for one in assembled.slices
    ]
    if any(decoded[one.path].inverted for one in assembled.slices):
        parts = [_upright(part, decoded[one.path]) for part, one in zip(parts, assembled.slices, strict=True)]
    scales = {(slope, intercept) for _, slope, intercept in parts}
    lowest, highest = min(int(part.min()) for part, _, _ in parts), max(int(part.max()) for part, _, _ in parts)
    offset = min(lowest, 0)
    if len(scales) > 1 or highest - offset > 65535:
        return _quantised(parts)
    slope, intercept = scales.pop()
    narrow = np.uint8 if highest - offset <= 255 and parts[0][0].dtype.itemsize == 1 else np.uint16
    volume = _blank([part for part, _, _ in parts], narrow)
    for target, (part, _, _) in zip(volume, parts, strict=True):
        rows, columns = part.shape
        target[:rows, :columns] = part if offset == 0 else part.astype(np.int64) - offset
    return volume, (slope, intercept + slope * offset)


def _upright(part: tuple[NDArray[Any], float, float], pixels: Pixels) -> tuple[NDArray[Any], float, float]:
    """A MONOCHROME1 slice turned so that high is bright; the slope back to the file's units is then negative."""
    values, slope, intercept = part
    if not pixels.inverted:
        return part
    top = (1 << pixels.bits_stored) - 1 if np.issubdtype(values.dtype, np.unsignedinteger) else -1
    return top - values.astype(np.int64), -slope, intercept + slope * top


def _quantised(parts: Sequence[tuple[NDArray[Any], float, float]]) -> tuple[NDArray[Any], tuple[float, float]]:
    real = [part.astype(np.float64) * slope + intercept for part, slope, intercept in parts]
    low, high = min(part.min() for part in real), max(part.max() for part in real)
    step = float(high - low) / 65535 or 1.0
    volume = _blank(real, np.uint16)
    for target, part in zip(volume, real, strict=True):
        target[: part.shape[0], : part.shape[1]] = np.rint((part - low) / step)
    return volume, (step, float(low))


def _blank(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    shape = np.max([part.shape for part in parts], axis=0)
    return np.zeros((len(parts), *shape), dtype=dtype)


def unpadded(volume: NDArray[Any], assembled: Assembled) -> Iterable[NDArray[Any]]:
    """The slices of a volume without their padding."""
    for values, one in zip(volume, assembled.slices, strict=True):
        yield values[: one.frame.rows, : one.frame.columns]


def percentiles(values: NDArray[Any]) -> tuple[int, int]:
    """The smallest values that at least 1 % and at least 99 % of the pixels do not exceed.

    Of a large slice every second or fourth row is counted, so that this costs little beside decoding.
    """
    counted = values[:: max(1, values.size // _COUNTED_PX)]
    below = np.cumsum(np.bincount(counted.ravel()))
    low, high = np.searchsorted(below, (0.01 * counted.size, 0.99 * counted.size))
    return int(low), int(high)
