"""Blur: Gaussian, motion and median."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from bench.approach import Config


class GaussianBlur(Config):
    """A Gaussian of a standard deviation drawn uniformly from ``sigma`` (pixels)."""

    sigma: tuple[float, float] = (0.3, 1.1)
    probability: float = Field(default=0.5, ge=0, le=1)


class MotionBlur(Config):
    """The mean along a line of a random direction; its length is drawn uniformly from ``length`` (pixels)."""

    length: tuple[float, float] = (3.0, 7.0)
    probability: float = Field(default=0.5, ge=0, le=1)


class MedianBlur(Config):
    """The median over a square whose side is an odd number of pixels, drawn from 3 to ``size``. From 5 on it takes some
    30 times as long as at 3."""

    size: int = Field(default=3, ge=3)
    probability: float = Field(default=0.5, ge=0, le=1)


def gaussian_blur(images: Tensor, blur: GaussianBlur, random: np.random.Generator) -> Tensor:
    """Items (B, ..., H, W), each blurred by one Gaussian."""
    sigmas = random.uniform(*blur.sigma, size=len(images))
    chosen = np.flatnonzero(random.random(len(images)) < blur.probability)
    if not len(chosen):
        return images
    radius = max(1, int(np.ceil(3 * blur.sigma[1])))
    offsets = np.arange(-radius, radius + 1)
    lines = np.exp(-0.5 * (offsets / np.maximum(sigmas[chosen], 1e-3)[:, None]) ** 2)
    lines /= lines.sum(axis=1, keepdims=True)  # (n, 2 r + 1)
    blurred = _filtered(images[chosen], lines[:, None, :])
    return _replaced(images, chosen, _filtered(blurred, lines[:, :, None]))


def motion_blur(images: Tensor, blur: MotionBlur, random: np.random.Generator) -> Tensor:
    """Items (B, ..., H, W), each blurred along one direction."""
    lengths = random.uniform(*blur.length, size=len(images))
    angles = random.uniform(0, np.pi, size=len(images))
    chosen = np.flatnonzero(random.random(len(images)) < blur.probability)
    if not len(chosen):
        return images
    radius = int(np.ceil(blur.length[1] / 2))
    kernels = np.stack(
        [_line(length, angle, radius) for length, angle in zip(lengths[chosen], angles[chosen], strict=True)]
    )
    return _replaced(images, chosen, _filtered(images[chosen], kernels))


def median_blur(images: Tensor, blur: MedianBlur, random: np.random.Generator) -> Tensor:
    """Items (B, ..., H, W), each replaced by its local median."""
    sizes = 3 + 2 * random.integers(0, (blur.size - 1) // 2, size=len(images))
    chosen = random.random(len(images)) < blur.probability
    for size in np.unique(sizes[chosen]):
        rows = np.flatnonzero(chosen & (sizes == size))
        images = _replaced(images, rows, _median(images[rows], int(size)))
    return images


def _median(images: Tensor, size: int) -> Tensor:
    """The median (..., H, W) over squares of an odd side; the border is repeated."""
    height, width = images.shape[-2:]
    padded = F.pad(images.reshape(-1, 1, height, width), (size // 2,) * 4, mode="replicate")
    if size == 3:
        return _median_of_nine(padded).reshape(images.shape)
    return F.unfold(padded, size).median(dim=1).values.reshape(images.shape)


def _median_of_nine(padded: Tensor) -> Tensor:
    """The median over 3 x 3, from columns that are sorted once: it is the median of the largest low, the middle mid and
    the smallest high value (Smith, 1996)."""
    low, mid, high = _sorted(*(padded[..., row : row + padded.shape[-2] - 2, :] for row in range(3)))
    lows, mids, highs = (
        [one[..., place : place + padded.shape[-1] - 2] for place in range(3)] for one in (low, mid, high)
    )
    largest = lows[0].maximum(lows[1]).maximum(lows[2])
    smallest = highs[0].minimum(highs[1]).minimum(highs[2])
    return _sorted(largest, _sorted(*mids)[1], smallest)[1]


def _sorted(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Three tensors, sorted element by element."""
    a, b = a.minimum(b), a.maximum(b)
    b, c = b.minimum(c), b.maximum(c)
    return a.minimum(b), a.maximum(b), c


def _line(length: float, angle: float, radius: int) -> NDArray[np.float64]:
    """A kernel (2 r + 1, 2 r + 1) with a line through its centre, its points shared out to the pixels around them."""
    places = np.linspace(-(length - 1) / 2, (length - 1) / 2, 4 * radius + 1)
    x, y = places * np.cos(angle), places * np.sin(angle)
    offsets = np.arange(-radius, radius + 1)
    along_x = np.maximum(0, 1 - np.abs(x[:, None] - offsets))
    along_y = np.maximum(0, 1 - np.abs(y[:, None] - offsets))
    kernel: NDArray[np.float64] = along_y.T @ along_x
    return kernel / kernel.sum()


def _filtered(images: Tensor, kernels: NDArray[np.float64]) -> Tensor:
    """Items (n, ..., H, W), each filtered by its kernel (n, h, w) of odd sides; the border is repeated."""
    count, height, width = len(images), kernels.shape[1], kernels.shape[2]
    weight = torch.as_tensor(kernels, dtype=images.dtype).to(images.device)[:, None]  # (n, 1, h, w)
    stacked = images.reshape(count, -1, *images.shape[-2:]).transpose(0, 1)  # (K, n, H, W): an item is a channel
    padded = F.pad(stacked, (width // 2, width // 2, height // 2, height // 2), mode="replicate")
    return F.conv2d(padded, weight, groups=count).transpose(0, 1).reshape(images.shape)


def _replaced(images: Tensor, chosen: NDArray[np.int64], changed: Tensor) -> Tensor:
    images = images.clone()
    images[chosen] = changed.clamp(0, 1)
    return images
