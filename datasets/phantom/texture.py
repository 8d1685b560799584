"""Smooth random variation of the signal inside tissues, as a periodic lattice in patient space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from .canvas import Canvas, Image
from .streams import stream

_SIZE = 96  # lattice points along each axis
_STEP_MM = 1.3


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """Lattices of zero mean and unit spread, repeated in space."""

    fine: Image  # (96, 96, 96), grains of about 2 mm
    coarse: Image  # grains of about 8 mm
    streaks: Image  # grains long along the spine, as fat in muscle has

    def at(self, lattice: Image, x: Image, y: Image, z: Image, *, scale: float = 1.0) -> Image:
        """The lattice's value at world coordinates that broadcast together."""
        factor = np.float32(1 / (_STEP_MM * scale))
        rows = [(coordinate * factor + 4096).astype(np.int32) % _SIZE for coordinate in (x, y, z)]
        return lattice[tuple(rows)]

    def on(self, canvas: Canvas, lattice: Image, *, scale: float = 1.0) -> Image:
        """The lattice's value at all pixels of a canvas."""
        region = canvas.everywhere()
        return self.at(lattice, region.u, region.v, region.w, scale=scale)


@lru_cache(maxsize=1)
def draw_texture(seed: int, index: int) -> Texture:
    """The texture of study ``index``."""
    random = stream(seed, index, "texture")
    noise = random.standard_normal((_SIZE, _SIZE, _SIZE), dtype=np.float32)
    return Texture(_grains(noise, 0.9), _grains(noise[::-1], 3.0), _grains(noise[:, ::-1], (1.1, 1.1, 5.0)))


def _grains(noise: Image, sigma: float | tuple[float, float, float]) -> Image:
    smooth = gaussian_filter(noise, sigma, mode="wrap")
    return (smooth - smooth.mean()) / smooth.std()
