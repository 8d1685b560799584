"""A whole recipe: intensity, one degradation of several, one distortion of several with an affine change, dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor

from bench.approach import Config
from bench.training.augmentation.affine import ShiftScaleRotate
from bench.training.augmentation.blur import (
    GaussianBlur,
    MedianBlur,
    MotionBlur,
    gaussian_blur,
    median_blur,
    motion_blur,
)
from bench.training.augmentation.distortion import (
    ElasticDistortion,
    GridDistortion,
    OpticalDistortion,
    displacement,
)
from bench.training.augmentation.dropout import CoarseDropout, coarse_dropout
from bench.training.augmentation.intensity import BrightnessContrast, brightness_contrast
from bench.training.augmentation.noise import GaussianNoise, RicianNoise, gaussian_noise, rician_noise
from bench.training.augmentation.warp import Warp, changed_items, draw_affine, on_device, warp_items

_DEGRADE: dict[type[Config], Any] = {
    GaussianBlur: gaussian_blur,
    MotionBlur: motion_blur,
    MedianBlur: median_blur,
    GaussianNoise: gaussian_noise,
    RicianNoise: rician_noise,
}


class OneOf(Config):
    """Of the changes that are given, an item gets at most one; their own probabilities weigh them against each other.

    Attributes:
        probability: of any change at all.
    """

    probability: float = Field(default=0.5, ge=0, le=1)

    @property
    def options(self) -> list[Any]:
        """The changes that are given."""
        return [value for _, value in self if isinstance(value, Config)]


class Degradation(OneOf):
    """One of several kinds of blur and noise."""

    gaussian_blur: GaussianBlur | None = None
    motion_blur: MotionBlur | None = None
    median_blur: MedianBlur | None = None
    gaussian_noise: GaussianNoise | None = None
    rician_noise: RicianNoise | None = None


class Distortion(OneOf):
    """One of several distortions."""

    optical: OpticalDistortion | None = None
    grid: GridDistortion | None = None
    elastic: ElasticDistortion | None = None


class Augmentation(Config):
    """Changes in the order in which they are made; None: left out."""

    intensity: BrightnessContrast | None = None
    degradation: Degradation | None = None
    distortion: Distortion | None = None
    affine: ShiftScaleRotate | None = None
    dropout: CoarseDropout | None = None


def augment(
    images: Tensor, points: Tensor | None, recipe: Augmentation, random: np.random.Generator
) -> tuple[Tensor, Tensor | None]:
    """Change items at random, each as a whole.

    Args:
        images: (B, ..., H, W) in 0..1; blank images stay blank.
        points: (B, ..., 2) as shares 0..1 of width and height (NaN: unknown), or None.
        recipe: what may happen.
        random: all draws come from it.

    Returns:
        The images, and the points, NaN where they have left the image. Pixels are interpolated once.
    """
    if recipe.intensity is not None:
        images = brightness_contrast(images, recipe.intensity, random, by_image=True)
    if recipe.degradation is not None:
        for option, rows in _shared_out(recipe.degradation, len(images), random):
            images = images.clone()
            images[rows] = _DEGRADE[type(option)](images[rows], option, random)
    images, points = _moved(images, points, recipe, random)
    if recipe.dropout is not None:
        images = coarse_dropout(images, recipe.dropout, random)
    return images, points


def _moved(
    images: Tensor, points: Tensor | None, recipe: Augmentation, random: np.random.Generator
) -> tuple[Tensor, Tensor | None]:
    """Distortion and affine change as one warp."""
    count, (height, width) = len(images), images.shape[-2:]
    field = images.new_zeros((count, 2, height, width))
    moved: set[int] = set()
    if recipe.distortion is not None:
        for option, rows in _shared_out(recipe.distortion, count, random):
            field[rows] = displacement(len(rows), images, option, random).to(field.dtype)
            moved |= set(rows.tolist())
    matrices = np.tile(np.eye(2, 3), (count, 1, 1))
    if recipe.affine is not None:
        matrices = draw_affine(count, height, width, recipe.affine, random)
    chosen = np.array(sorted({*moved, *changed_items(matrices).tolist()}), dtype=np.int64)
    return warp_items(images, points, Warp(field[chosen], on_device(matrices[chosen], images)), chosen)


def _shared_out(choice: OneOf, count: int, random: np.random.Generator) -> Sequence[tuple[Any, np.ndarray]]:
    """The options with the items that get them, to be applied without a further chance."""
    options = [option for option in choice.options if option.probability > 0]
    if not options:
        return []
    weights = np.array([option.probability for option in options])
    drawn = random.choice(len(options), size=count, p=weights / weights.sum())
    chosen = random.random(count) < choice.probability
    sure = [option.model_copy(update={"probability": 1.0}) for option in options]
    found = [(option, np.flatnonzero(chosen & (drawn == index))) for index, option in enumerate(sure)]
    return [(option, rows) for option, rows in found if len(rows)]
