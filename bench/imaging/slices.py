"""Slices before they are ordered into a series: geometry as given by the files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.imaging.dicom.header import Frame
from bench.imaging.geometry import FloatArray

# Slices whose normals differ by less belong to one block of parallel slices.
SAME_ANGLE_DEG = 1.0
SAME_POSITION_MM = 0.05
# The direction in which slices are counted: patient right to left, front to back, head to foot.
ANATOMICAL = {
    "sagittal": np.array([1.0, 0.0, 0.0]),
    "coronal": np.array([0.0, 1.0, 0.0]),
    "axial": np.array([0.0, 0.0, -1.0]),
}


@dataclass(frozen=True, eq=False)
class Slice:
    """One image plane of a series.

    Attributes:
        path: the file, relative to the data folder.
        frame_index: which frame of the file.
        instance_number: the slice's number in the tables.
        frame: its geometry as given by the file.
    """

    path: str
    frame_index: int
    instance_number: int
    frame: Frame

    @property
    def orientation(self) -> FloatArray:
        """(2, 3) unit vectors along which columns and rows grow; only for slices that have one."""
        assert self.frame.orientation is not None
        return self.frame.orientation

    @cached_property
    def normal(self) -> FloatArray:
        """(3,) unit vector across the slice."""
        return _across(*self.orientation.tolist())

    @cached_property
    def centre(self) -> FloatArray:
        """(3,) world coordinates of the middle of the image: the corner of a tilted slice does not give its height."""
        frame = self.frame
        assert frame.position is not None
        assert frame.spacing is not None
        across, down = frame.spacing.tolist()
        along_x, along_y = self.orientation
        return frame.position + (frame.columns - 1) / 2 * across * along_x + (frame.rows - 1) / 2 * down * along_y

    @cached_property
    def plane(self) -> str:
        """``sagittal``, ``coronal`` or ``axial``: the anatomical plane that the slice is nearest to."""
        sizes = [abs(part) for part in self.normal.tolist()]
        return ("sagittal", "coronal", "axial")[sizes.index(max(sizes))]


def _across(one: Sequence[float], other: Sequence[float]) -> FloatArray:
    """The vector product, many times faster than `numpy.cross` on two single vectors."""
    (a, b, c), (x, y, z) = one, other
    return np.array([b * z - c * y, c * x - a * z, a * y - b * x])


def angle_deg(one: FloatArray, other: FloatArray) -> float:
    """The angle between two planes given by their unit normals (3,); 0 to 90 degrees."""
    if one is other or one.tobytes() == other.tobytes():
        return 0.0
    # From the vector product, as the arc cosine is blunt near zero.
    sine = math.hypot(*_across(one.tolist(), other.tolist()))
    return math.degrees(math.atan2(sine, abs(float(one @ other))))


def depth_along(one: Slice, plane: str) -> float:
    """Where a slice lies along its own normal, counted in the anatomical direction of a plane, in mm."""
    cosine = float(one.normal @ ANATOMICAL[plane])
    if abs(cosine) < 0.1:
        # The plane runs along that direction (its series is described wrongly): take the normal's own main axis.
        cosine = float(one.normal @ ANATOMICAL[one.plane])
    return math.copysign(1.0, cosine) * float(one.normal @ one.centre)


def blocks_of(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Slices gathered by the angle of their planes, whatever the order in which they come."""
    blocks: list[list[Slice]] = []
    for one in sorted(slices, key=lambda one: tuple(one.centre)):
        for block in blocks:
            if angle_deg(block[0].normal, one.normal) < SAME_ANGLE_DEG:
                block.append(one)
                break
        else:
            blocks.append([one])
    return blocks
