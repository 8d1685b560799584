"""The grey values of a slice, adapted as the write-up does it before and after cropping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage import exposure

Image = NDArray[np.float32]

_NARROW, _FLAT_BITS = 75, 6.0
_DARK_MEAN, _DARK_SPREAD, _BRIGHT_MEAN = 50, 30, 150


def adapted(image: NDArray) -> Image:
    """A slice (H, W) in 0..1, brought to a usable contrast by the first of these whose condition holds.

    The slice is scaled to 0..1; mean, spread and range are told in parts of 255.

    1. range below 75: CLAHE with a clip limit of 0.03 (the range of a scaled slice is that between its 1st and 99th
       percentile, or it would always be 255);
    2. entropy below 6 bits: histogram equalisation;
    3. mean below 50 and spread below 30: gamma with exponent 1 - mean / 255;
    4. mean above 150: logarithm;
    5. else: stretched between the 1st and the 99th percentile.

    A slice of one value becomes zeros.
    """
    values = np.asarray(image, dtype=np.float32)
    lowest, highest = float(values.min()), float(values.max())
    if highest <= lowest:
        return np.zeros_like(values)
    values = (values - lowest) / (highest - lowest)
    counts = np.bincount((values * 255).astype(np.uint8).ravel(), minlength=256)
    low, high = _percentiles(counts)
    levels = np.arange(256)
    mean = float(counts @ levels / counts.sum())
    spread = float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum()))
    if high - low < _NARROW:
        changed = exposure.equalize_adapthist(values, clip_limit=0.03)
    elif entropy_bits(counts) < _FLAT_BITS:
        changed = (np.cumsum(counts) / counts.sum())[(values * 255).astype(np.uint8)]
    elif mean < _DARK_MEAN and spread < _DARK_SPREAD:
        changed = values ** (1 - mean / 255)
    elif mean > _BRIGHT_MEAN:
        changed = np.log2(1 + values)
    else:
        changed = np.clip((values - low / 255) / ((high - low) / 255), 0, 1)
    return np.asarray(changed, dtype=np.float32)


def entropy_bits(counts: NDArray[np.integer]) -> float:
    """Shannon entropy in bits of a histogram."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _percentiles(counts: NDArray[np.integer]) -> tuple[int, int]:
    """The grey values 0..255 that 1 % and 99 % of the pixels do not exceed."""
    below = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(below, (0.01, 0.99))
    return int(low), int(high)
