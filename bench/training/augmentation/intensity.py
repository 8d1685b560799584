"""Brightness and contrast."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.approach import Config


class BrightnessContrast(Config):
    """Random brightness (added) and contrast (times, about the image's mean), each from plus to minus its value."""

    brightness: float = 0.2
    contrast: float = 0.2
    probability: float = 0.25


def brightness_contrast(
    images: Tensor, intensity: BrightnessContrast, random: np.random.Generator, *, by_image: bool = False
) -> Tensor:
    """Items of images (B, ..., H, W) in 0..1; all images of an item change alike and stay within 0..1.

    Args:
        images: the batch. A blank item stays blank.
        intensity: the ranges.
        random: draws once per item.
        by_image: also keep each blank image of an item blank, and leave it out of the item's mean.
    """
    draw = random.uniform(-1, 1, size=(2, len(images)))
    chosen = np.flatnonzero(random.random(len(images)) < intensity.probability)
    changed = images[chosen]
    shape = (len(chosen),) + (1,) * (images.ndim - 1)
    added = column(intensity.brightness * draw[0, chosen], images, shape)
    times = column(1 + intensity.contrast * draw[1, chosen], images, shape)
    mean = changed.mean(dim=tuple(range(1, images.ndim)), keepdim=True)
    # A blank item or image stands for something that is missing: it stays blank.
    there = present(changed) if by_image else changed.flatten(1).any(dim=1).reshape(shape)
    if by_image:
        mean = mean / there.float().mean(dim=tuple(range(1, there.ndim)), keepdim=True).clamp(min=1e-9)
    images = images.clone()
    images[chosen] = ((changed - mean) * times + mean + added).clamp(0, 1) * there
    return images


def present(images: Tensor) -> Tensor:
    """(B, ..., 1, 1) which images (B, ..., H, W) are not blank."""
    return images.flatten(-2).any(dim=-1)[..., None, None]


def column(values: NDArray[np.float64], like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Numbers drawn on the host, in the images' number format and on their device."""
    return torch.as_tensor(values, dtype=like.dtype).to(like.device).reshape(shape)
