"""The part of a sagittal slice that holds the spine, found on the middle slice as the write-up does it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from bench.training.windows import Extent

_DARK = 10  # of 255
_LOW, _HIGH, _BRIGHTEST = 20, 95, 98  # percentiles of the columns' brightness
_WIDTH, _PADDING = 0.6, 0.1  # shares of the columns that are not dark
_ROWS = (0.1, 0.9)
AXIAL_EXTENT: Extent = (0.3, 0.7, 0.15, 0.65)
"""The fixed part of an axial slice, as shares of its width and height."""


def spine_extent(image: NDArray) -> Extent:
    """The part of a sagittal slice (H, W), shown with the back on the right, as shares of its width and height.

    Dark columns at the edges are left out. In the central half of the rest, columns whose smoothed median lies between
    the 20th and the 95th percentile are the spine's; they are padded, brought to 0.6 of the width at most, and freed
    from very bright columns at the edges (subcutaneous fat). The part is at least a third of the image and half of what
    is not dark. How these steps follow one another is known in words only; it was chosen here.
    """
    values = np.asarray(image, dtype=np.float32)
    values = values * (255 / max(float(values.max()), 1e-6))
    width = values.shape[1]
    bright = np.flatnonzero(values.mean(axis=0) >= _DARK)
    first, last = (int(bright[0]), int(bright[-1]) + 1) if len(bright) else (0, width)
    left, right = _column(values[:, first:last])
    left, right = first + left, first + right
    least = max(width / 3, (last - first) / 2)
    if right - left < least:
        middle = (left + right) / 2
        left, right = middle - least / 2, middle + least / 2
        shift = max(first - left, 0) + min(last - right, 0)
        left, right = left + shift, right + shift
    return max(left / width, 0.0), min(right / width, 1.0), *_ROWS


def _column(values: NDArray[np.float32]) -> tuple[float, float]:
    """First and last column of the spine among those that are not dark."""
    width = values.shape[1]
    start, stop = width // 4, width - width // 4
    medians = gaussian_filter1d(np.median(values[:, start:stop], axis=0), 1)
    low, high = np.percentile(medians, (_LOW, _HIGH))
    found = np.flatnonzero((medians >= low) & (medians <= high))
    left, right = start + int(found[0]), start + int(found[-1]) + 1
    middle, half = (left + right) / 2, min((right - left) / 2 + _PADDING * width, _WIDTH * width / 2)
    left, right = max(int(middle - half), 0), min(int(np.ceil(middle + half)), width)
    columns = values.mean(axis=0)
    brightest = np.percentile(columns, _BRIGHTEST)
    while right - left > 1 and columns[right - 1] > brightest:
        right -= 1
    while right - left > 1 and columns[left] > brightest:
        left += 1
    return float(left), float(right)
