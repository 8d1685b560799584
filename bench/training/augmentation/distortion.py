"""Optical, grid and elastic distortion: fields of displacement that move points with the pixels.

Every field can be inverted (no fold), so that a point has exactly one place afterwards; that bounds the strengths.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from bench.approach import Config
from bench.training.augmentation.warp import Warp, on_device, warp_items

# Share of the image times control points per side, up to which no elastic field can fold: a bicubic surface between -1
# and 1 climbs by at most 4.2 from one control point to the next, and both axes may do so at once.
_MOST_SLOPE = 0.12


class OpticalDistortion(Config):
    """Barrel or pincushion: radius r, as a share of the longer side, is read at r (1 + k r²), with k drawn uniformly
    from plus to minus ``limit``. At 0.67 a square's corners would fold."""

    limit: float = Field(default=0.1, ge=0, le=0.5)
    probability: float = Field(default=0.5, ge=0, le=1)


class GridDistortion(Config):
    """Rows and columns of ``steps`` equal cells get other widths: each times 1 plus a number from plus to minus
    ``limit``, then all scaled to fill the image again."""

    steps: int = Field(default=5, ge=2)
    limit: float = Field(default=0.1, ge=0, le=0.8)
    probability: float = Field(default=0.5, ge=0, le=1)


class ElasticDistortion(Config):
    """A smooth random field: ``points`` x ``points`` control points, each moved by up to ``strength`` (a share of the
    image) in x and y, and bicubic between them."""

    strength: float = Field(default=0.015, ge=0)
    points: int = Field(default=6, ge=3)
    probability: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _unfolded(self) -> ElasticDistortion:
        if self.strength > _MOST_SLOPE / self.points:
            raise ValueError(
                f"strength {self.strength} with {self.points} points would fold the image: "
                f"give at most {_MOST_SLOPE / self.points:.3g}, or fewer points"
            )
        return self


AnyDistortion = OpticalDistortion | GridDistortion | ElasticDistortion


def distort(
    images: Tensor, points: Tensor | None, distortion: AnyDistortion, random: np.random.Generator
) -> tuple[Tensor, Tensor | None]:
    """Distort items (B, ..., H, W) and their points.

    Args:
        images: the batch; all images of an item are distorted alike.
        points: (B, ..., 2) as shares 0..1 of width and height (NaN: unknown), or None.
        distortion: which, and how strong.
        random: draws once per item.

    Returns:
        The images, and the points, NaN where they have left the image.
    """
    field = displacement(len(images), images, distortion, random)
    chosen = np.flatnonzero(random.random(len(images)) < distortion.probability)
    return warp_items(images, points, Warp(field[chosen], identity(len(chosen), images)), chosen)


def displacement(count: int, like: Tensor, distortion: AnyDistortion, random: np.random.Generator) -> Tensor:
    """(count, 2, H, W) displacements in -1..1, for images (..., H, W) like these."""
    height, width = like.shape[-2:]
    match distortion:
        case OpticalDistortion():
            field = _optical(random.uniform(-distortion.limit, distortion.limit, size=count), height, width)
        case GridDistortion():
            field = _grid(random.uniform(-1, 1, size=(2, count, distortion.steps)), distortion.limit, height, width)
        case ElasticDistortion():
            control = 2 * distortion.strength * random.uniform(-1, 1, size=(count, 2, *(distortion.points,) * 2))
            smooth = F.interpolate(on_device(control, like), (height, width), mode="bicubic", align_corners=False)
            return smooth.clamp(-2 * distortion.strength, 2 * distortion.strength)
    return on_device(field, like)


def identity(count: int, like: Tensor) -> Tensor:
    """(count, 2, 3) maps that change nothing."""
    return torch.eye(2, 3, device=like.device).expand(count, 2, 3)


def _optical(k: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    y, x = _axis(height), _axis(width)
    longer = max(height, width)
    squared = (x * width / 2 / longer) ** 2 + (y[:, None] * height / 2 / longer) ** 2  # (H, W) r²
    change = k[:, None, None] * squared  # (B, H, W)
    return np.stack([change * x, change * y[:, None]], axis=1)


def _grid(draw: NDArray[np.float64], limit: float, height: int, width: int) -> NDArray[np.float64]:
    along_x, along_y = (_cells(one, limit, pixels) for one, pixels in zip(draw, (width, height), strict=True))
    shape = (draw.shape[1], height, width)
    return np.stack([np.broadcast_to(along_x[:, None, :], shape), np.broadcast_to(along_y[:, :, None], shape)], axis=1)


def _cells(draw: NDArray[np.float64], limit: float, pixels: int) -> NDArray[np.float64]:
    """(B, pixels) displacements along one axis, from draws (B, steps)."""
    widths = 1 + limit * draw
    edges = 2 * np.cumsum(widths, axis=1) / widths.sum(axis=1, keepdims=True) - 1
    edges = np.concatenate([np.full((len(draw), 1), -1.0), edges], axis=1)  # where the cells' borders are read
    even = np.linspace(-1, 1, draw.shape[1] + 1)
    centres = _axis(pixels)
    moved = [np.interp(centres, even, one) - centres for one in edges]
    return np.array(moved).reshape(len(draw), pixels)


def _axis(pixels: int) -> NDArray[np.float64]:
    return (2 * np.arange(pixels) + 1) / pixels - 1
