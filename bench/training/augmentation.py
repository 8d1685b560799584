"""Random changes to crops: to the affine map before anything is read, and to brightness afterwards."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.approach import Config

Matrices = NDArray[np.float64]


class ShiftScaleRotate(Config):
    """A random affine change. ``shift`` and ``scale`` are shares of the crop, ``rotate`` degrees; each is drawn
    uniformly from plus to minus its value, and ``probability`` is that of any change at all."""

    shift: float = 0.1
    scale: float = 0.1
    rotate: float = 20.0
    probability: float = 0.5


class BrightnessContrast(Config):
    """Random brightness (added) and contrast (times, about the image's mean), each from plus to minus its value."""

    brightness: float = 0.2
    contrast: float = 0.2
    probability: float = 0.25


def shift_scale_rotate(matrices: Matrices, change: ShiftScaleRotate, random: np.random.Generator) -> Matrices:
    """Each map (B, 2, 3) from output coordinates in -1..1 to source pixels, randomly changed within the source image.

    The rotation is one of the source image, so it keeps angles whatever the shape of the output.
    """
    count = len(matrices)
    draw = random.uniform(-1, 1, size=(4, count)) * (random.random(count) < change.probability)
    angle = np.deg2rad(change.rotate) * draw[0]
    scale = 1 + change.scale * draw[1]
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=-1).reshape(count, 2, 2)
    linear = matrices[:, :, :2]
    # A shift of 1 is the whole crop, whose extent in output coordinates is 2.
    moved = matrices[:, :, 2] + np.einsum("bij,bj->bi", linear, 2 * change.shift * draw[2:].T)
    return np.concatenate([scale[:, None, None] * rotation @ linear, moved[:, :, None]], axis=2)


def brightness_contrast(images: Tensor, change: BrightnessContrast, random: np.random.Generator) -> Tensor:
    """Bags of images (B, ..., H, W) in 0..1; all images of a bag change alike and stay within 0..1."""
    draw = random.uniform(-1, 1, size=(2, len(images)))
    chosen = np.flatnonzero(random.random(len(images)) < change.probability)
    changed = images[chosen]
    shape = (len(chosen),) + (1,) * (images.ndim - 1)
    added = _column(change.brightness * draw[0, chosen], images, shape)
    times = _column(1 + change.contrast * draw[1, chosen], images, shape)
    mean = changed.mean(dim=tuple(range(1, images.ndim)), keepdim=True)
    # A blank bag stands for something that is missing: it stays blank.
    there = changed.flatten(1).any(dim=1).reshape(shape)
    images = images.clone()
    images[chosen] = ((changed - mean) * times + mean + added).clamp(0, 1) * there
    return images


def _column(values: NDArray[np.float64], like: Tensor, shape: tuple[int, ...]) -> Tensor:
    return torch.as_tensor(values, dtype=like.dtype).to(like.device).reshape(shape)
