"""Smooth random variation of signals and outlines, as periodic lattices laid through patient space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter

from .canvas import FloatArray, Image
from .streams import stream

_SIZE = 128  # lattice points along each axis
_STEP_MM = 1.1
_SEED = 20240503  # of the lattices, which all patients share; each lays them elsewhere


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """One patient's lattices, of zero mean and unit spread: ``fine`` (grains of 2 mm), ``coarse`` (8 mm), ``broad``
    (15 mm) and ``streaks`` (long along the spine, as fat in muscle is).
    """

    offset: FloatArray  # (3,) mm

    @property
    def fine(self) -> Image:
        """(128, 128, 128)."""
        return _lattices()[0]

    @property
    def coarse(self) -> Image:
        """(128, 128, 128)."""
        return _lattices()[1]

    @property
    def broad(self) -> Image:
        """(128, 128, 128)."""
        return _lattices()[3]

    @property
    def streaks(self) -> Image:
        """(128, 128, 128)."""
        return _lattices()[2]

    def at(self, lattice: Image, x: Image, y: Image, z: Image, *, scale: float = 1.0) -> Image:
        """The nearest lattice value at world coordinates that broadcast together; ``scale`` widens the grains."""
        rows = [row.astype(np.int32) & (_SIZE - 1) for row in self._rows((x, y, z), scale)]
        return np.asarray(lattice[tuple(rows)])

    def _rows(self, coordinates: tuple[Image, Image, Image], scale: float) -> list[Image]:
        factor = np.float32(1 / (_STEP_MM * scale))
        return [
            (coordinate + np.float32(shift)) * factor + np.float32(_SIZE * 16)
            for coordinate, shift in zip(coordinates, self.offset, strict=True)
        ]


def draw_texture(seed: int, index: int) -> Texture:
    """The texture of study ``index``."""
    return Texture(stream(seed, index, "texture").uniform(0, _SIZE * _STEP_MM, 3))


@cache
def _lattices() -> tuple[Image, ...]:
    noise = np.random.default_rng(_SEED).standard_normal((_SIZE, _SIZE, _SIZE), dtype=np.float32)
    spreads: tuple[float | tuple[float, float, float], ...] = (1.0, 3.4, (1.5, 1.5, 6.5), 6.5)
    return tuple(_grains(np.roll(noise, 31 * number), spread) for number, spread in enumerate(spreads))


def _grains(noise: Image, sigma: float | tuple[float, float, float]) -> Image:
    smooth = gaussian_filter(noise, sigma, mode="wrap", truncate=3.0)
    return np.asarray((smooth - smooth.mean()) / smooth.std(), dtype=np.float32)
