"""A stack of parallel image planes onto which structures are painted in patient space."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
Image = NDArray[np.floating[Any]]  # float32 throughout


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A local coordinate system: ``local = axes @ (world - origin)``."""

    origin: FloatArray  # (3,)
    axes: FloatArray  # (3, 3), rows are unit vectors: towards the left, the back and the head, roughly

    def to_world(self, local: ArrayLike) -> FloatArray:
        """World coordinates (..., 3) of local ones (..., 3)."""
        return self.origin + np.asarray(local, dtype=np.float64) @ self.axes

    def to_local(self, world: ArrayLike) -> FloatArray:
        """Local coordinates (..., 3) of world ones (..., 3)."""
        return (np.asarray(world, dtype=np.float64) - self.origin) @ self.axes.T


WORLD = Frame(np.zeros(3), np.eye(3))


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The part of a canvas that a box covers, with the local coordinates of its pixels.

    ``u``, ``v``, ``w`` broadcast to the region's shape; an axis along which a coordinate does not change has length 1.
    """

    where: tuple[slice, slice, slice]
    u: Image
    v: Image
    w: Image


class Canvas:
    """Pixels of ``S`` parallel planes.

    Args:
        origins: (S, 3) world coordinates of each plane's first pixel, all along the planes' normal.
        along_x: (3,) unit vector of columns.
        along_y: (3,) unit vector of rows.
        spacing: mm between pixels, the same both ways.
        shape: rows and columns.
    """

    def __init__(
        self, origins: FloatArray, along_x: FloatArray, along_y: FloatArray, spacing: float, shape: tuple[int, int]
    ) -> None:
        self.origins = origins
        self.along_x = along_x
        self.along_y = along_y
        self.normal = np.cross(along_x, along_y)
        self.spacing = spacing
        self.shape = (len(origins), *shape)
        self.values: Image = np.zeros(self.shape, dtype=np.float32)
        self._depths = origins @ self.normal  # (S,), ascending or descending

    def region(self, frame: Frame, low: ArrayLike, high: ArrayLike) -> Region | None:
        """The pixels inside the box ``low`` to ``high`` of a frame (and some around it); None if there are none."""
        corners = frame.to_world([*product(*zip(np.asarray(low), np.asarray(high), strict=True))])
        where = (
            self._planes(corners @ self.normal),
            self._pixels(corners @ self.along_y - self.origins[0] @ self.along_y, self.shape[1]),
            self._pixels(corners @ self.along_x - self.origins[0] @ self.along_x, self.shape[2]),
        )
        if any(part.stop <= part.start for part in where):
            return None
        return Region(where, *(self._coordinate(where, frame.origin, axis) for axis in frame.axes))

    def everywhere(self) -> Region:
        """All pixels, with their world coordinates."""
        where = (slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2]))
        return Region(where, *(self._coordinate(where, WORLD.origin, axis) for axis in WORLD.axes))

    def paint(self, region: Region, cover: Image, signal: float | Image) -> None:
        """Blend in ``signal`` with the weight ``cover``, 0 to 1."""
        view = self.values[region.where]
        view += cover * (signal - view)

    def cover(self, distance: Image, *, soft: float = 0.0) -> Image:
        """The fraction of a pixel inside a shape, from the signed distance (negative inside) of its centre in mm."""
        width = max(soft, self.spacing)
        return np.clip(0.5 - distance / np.float32(width), 0, 1)

    def _planes(self, depths: FloatArray) -> slice:
        margin = self.spacing
        inside = np.flatnonzero((self._depths >= depths.min() - margin) & (self._depths <= depths.max() + margin))
        return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)

    def _pixels(self, offsets: FloatArray, count: int) -> slice:
        first = int(np.floor(offsets.min() / self.spacing)) - 1
        last = int(np.ceil(offsets.max() / self.spacing)) + 2
        return slice(max(first, 0), min(last, count))

    def _coordinate(self, where: tuple[slice, slice, slice], origin: FloatArray, axis: FloatArray) -> Image:
        planes, rows, columns = where
        start = (self.origins[planes] - origin) @ axis  # (S,)
        total = np.asarray(start if np.ptp(start) > 1e-9 else start[:1], dtype=np.float32)[:, None, None]
        for step, part, shape in (
            (self.along_y @ axis * self.spacing, rows, (1, -1, 1)),
            (self.along_x @ axis * self.spacing, columns, (1, 1, -1)),
        ):
            if abs(step) > 1e-9:
                total = total + (np.arange(part.start, part.stop) * step).astype(np.float32).reshape(shape)
        return total
