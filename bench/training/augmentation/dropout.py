"""Coarse dropout: rectangles of an image are blanked (DeVries and Taylor, 2017)."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from bench.approach import Config


class CoarseDropout(Config):
    """Rectangles filled with 0, at one place in all images of an item.

    Attributes:
        holes: fewest and most rectangles.
        size: smallest and largest side, as shares of the image's side.
        probability: of any change at all.
    """

    holes: tuple[int, int] = (1, 8)
    size: tuple[float, float] = (0.03, 0.06)
    probability: float = Field(default=0.5, ge=0, le=1)


def coarse_dropout(images: Tensor, dropout: CoarseDropout, random: np.random.Generator) -> Tensor:
    """Items (B, ..., H, W) with rectangles blanked. Points stay where they are, and stay known."""
    count, (height, width) = len(images), images.shape[-2:]
    fewest, most = dropout.holes
    numbers = random.integers(fewest, most + 1, size=count)
    sides = random.uniform(*dropout.size, size=(2, count, most))
    places = random.random(size=(2, count, most))
    chosen = np.flatnonzero(random.random(count) < dropout.probability)
    if not len(chosen):
        return images
    used = (np.arange(most) < numbers[:, None])[chosen]
    rows = _inside(places[0, chosen], sides[0, chosen], height) & used[:, :, None]  # (n, holes, H)
    columns = _inside(places[1, chosen], sides[1, chosen], width)  # (n, holes, W)
    blanked = np.einsum("nhy,nhx->nyx", rows.astype(np.float32), columns.astype(np.float32)) > 0
    kept = torch.from_numpy(~blanked).to(images.device)
    images = images.clone()
    images[chosen] *= kept.reshape(len(chosen), *(1,) * (images.ndim - 3), height, width)
    return images


def _inside(places: np.ndarray, sides: np.ndarray, pixels: int) -> np.ndarray:
    """(n, holes, pixels) which pixels of an axis lie in a hole, which always lies in the image as a whole."""
    lengths = np.clip(np.round(sides * pixels), 1, pixels)
    starts = np.floor(places * (pixels - lengths + 1))
    index = np.arange(pixels)
    return (index >= starts[:, :, None]) & (index < (starts + lengths)[:, :, None])
