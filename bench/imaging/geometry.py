"""Image planes in patient space: pixel to world and back, distances, sides.

World is the DICOM patient frame in millimetres: x grows to the patient's left, y to the back, z to the head (LPS).
Pixels are ``(x, y)`` = (column, row), with (0, 0) at the centre of the first pixel, as ImagePositionPatient has it
(DICOM PS3.3, C.7.6.2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One image plane.

    Attributes:
        position: (3,) world coordinates of the centre of pixel (0, 0), mm.
        along_x: (3,) unit vector in which the column index grows.
        along_y: (3,) unit vector in which the row index grows.
        spacing: (2,) millimetres from one column to the next, and from one row to the next.
    """

    position: FloatArray
    along_x: FloatArray
    along_y: FloatArray
    spacing: FloatArray

    @property
    def normal(self) -> FloatArray:
        """(3,) unit vector across the plane, ``along_x`` x ``along_y``."""
        return np.cross(self.along_x, self.along_y)

    def to_world(self, pixels: ArrayLike) -> FloatArray:
        """World coordinates (..., 3) of pixels (..., 2) given as (x, y)."""
        xy = np.asarray(pixels, dtype=np.float64) * self.spacing
        return self.position + xy[..., :1] * self.along_x + xy[..., 1:] * self.along_y

    def to_pixel(self, world: ArrayLike) -> FloatArray:
        """Pixels (..., 2) as (x, y) of the feet of the perpendiculars from world points (..., 3)."""
        offset = np.asarray(world, dtype=np.float64) - self.position
        axes = np.stack([self.along_x, self.along_y], axis=-1)  # (3, 2)
        return (offset @ axes) / self.spacing

    def distance(self, world: ArrayLike) -> FloatArray:
        """Signed distance (...) in mm of world points (..., 3) from the plane, positive along the normal."""
        return (np.asarray(world, dtype=np.float64) - self.position) @ self.normal


def orientation_name(along_x: FloatArray, along_y: FloatArray) -> str:
    """``sagittal``, ``coronal`` or ``axial``: the anatomical plane that the normal is nearest to."""
    normal = np.cross(along_x, along_y)
    return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(normal)))]
