"""Shift, scale and rotation: a change to the affine map through which a crop is read, before anything is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.approach import Config

Matrices = NDArray[np.float64]


class ShiftScaleRotate(Config):
    """A random affine change. ``shift`` and ``scale`` are shares of the crop, ``rotate`` degrees; each is drawn
    uniformly from plus to minus its value, and ``probability`` is that of any change at all."""

    shift: float = 0.1
    scale: float = 0.1
    rotate: float = 20.0
    probability: float = 0.5


def shift_scale_rotate(matrices: Matrices, affine: ShiftScaleRotate, random: np.random.Generator) -> Matrices:
    """Each map (B, 2, 3) from output coordinates in -1..1 to source pixels, randomly changed within the source image.

    The rotation is one of the source image, so it keeps angles whatever the shape of the output.
    """
    count = len(matrices)
    draw = random.uniform(-1, 1, size=(4, count)) * (random.random(count) < affine.probability)
    angle = np.deg2rad(affine.rotate) * draw[0]
    scale = 1 + affine.scale * draw[1]
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=-1).reshape(count, 2, 2)
    linear = matrices[:, :, :2]
    # A shift of 1 is the whole crop, whose extent in output coordinates is 2.
    moved = matrices[:, :, 2] + np.einsum("bij,bj->bi", linear, 2 * affine.shift * draw[2:].T)
    return np.concatenate([scale[:, None, None] * rotation @ linear, moved[:, :, None]], axis=2)
