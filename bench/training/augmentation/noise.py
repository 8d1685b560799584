"""Noise: Gaussian, and Rician as magnitude MR images have it."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from bench.approach import Config
from bench.training.augmentation.intensity import column, present


class GaussianNoise(Config):
    """Noise added to every pixel, of a standard deviation drawn uniformly from ``sigma`` (of 0..1)."""

    sigma: tuple[float, float] = (0.01, 0.05)
    probability: float = Field(default=0.5, ge=0, le=1)


class RicianNoise(Config):
    """The magnitude of the image with complex Gaussian noise (Gudbjartsson and Patz, 1995); ``sigma`` as for
    `GaussianNoise`, of the real and the imaginary part each."""

    sigma: tuple[float, float] = (0.01, 0.05)
    probability: float = Field(default=0.5, ge=0, le=1)


def gaussian_noise(images: Tensor, noise: GaussianNoise, random: np.random.Generator) -> Tensor:
    """Items (B, ..., H, W): one strength per item, and noise of its own on every pixel of every image."""
    return _noisy(images, noise, random, rician=False)


def rician_noise(images: Tensor, noise: RicianNoise, random: np.random.Generator) -> Tensor:
    """Items (B, ..., H, W): one strength per item, and noise of its own on every pixel of every image."""
    return _noisy(images, noise, random, rician=True)


def _noisy(images: Tensor, noise: GaussianNoise | RicianNoise, random: np.random.Generator, *, rician: bool) -> Tensor:
    sigmas = random.uniform(*noise.sigma, size=len(images))
    chosen = np.flatnonzero(random.random(len(images)) < noise.probability)
    # The pixels' noise is drawn on the images' device, from a seed that the host draws.
    generator = torch.Generator(images.device).manual_seed(int(random.integers(2**62)))
    if not len(chosen):
        return images
    part = images[chosen]
    sigma = column(sigmas[chosen], images, (len(chosen),) + (1,) * (images.ndim - 1))

    def draw() -> Tensor:
        return sigma * torch.randn(part.shape, generator=generator, device=part.device, dtype=part.dtype)

    changed = torch.hypot(part + draw(), draw()) if rician else part + draw()
    images = images.clone()
    images[chosen] = changed.clamp(0, 1) * present(part)
    return images
